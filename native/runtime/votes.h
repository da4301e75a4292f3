// How ranks leave a call together without waiting for each other to say so.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "distributed/group.h"
#include "runtime/job.h"

namespace torchsight {

/// The votes of one call. Each is sent before a layer and counted after it, so that it travels
/// while the layer is computed; ranks leave in the same place, one layer later than a rank alone
/// would.
class Votes {
 public:
  /// Without a group the job alone decides, at once. Both must outlive the votes.
  Votes(Group* group, JobContext& context) : group_(group), context_(context) {}

  /// Before a layer: counts the vote before and sends the next. Throws what the job's checkpoint
  /// throws, and `Error(kCancelled)` where another rank was cancelled.
  void cast();
  /// After the last layer: counts the last vote.
  void count();

 private:
  Group* group_;
  JobContext& context_;
  at::Tensor votes_;
  std::unique_ptr<Transfer> under_way_;
};

}  // namespace torchsight
