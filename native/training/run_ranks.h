// The ranks that train one model together: a mesh of parts and replicas.
#pragma once

#include <functional>
#include <memory>

#include "distributed/group.h"
#include "runtime/job.h"
#include "runtime/module.h"

namespace torchsight {

struct RunRanks {
  std::shared_ptr<Group> parts;     // ranks with a part of each cut weight; null: weights are whole
  std::shared_ptr<Group> replicas;  // ranks with the same part, and samples of their own; null: one

  /// Those of a module. Groups of one rank count as none.
  static RunRanks of(const ModuleOptions& options);

  bool replicated() const { return replicas != nullptr; }
  /// A point between two passes, at which all ranks leave together where one is cancelled. Throws
  /// as the job's checkpoint, and `Error(kCancelled)` where another rank was cancelled.
  void checkpoint(JobContext& context) const;
  /// Runs `work`, in which replicas are independent of each other, and ends on all replicas alike:
  /// where it throws on one, or one was cancelled meanwhile, all throw the same error. `work` sees
  /// no cancel where there are replicas; where there are none, it follows a `checkpoint`.
  void alike(JobContext& context, const std::function<void(JobContext&)>& work) const;

  /// The sum over the replicas, and over the parts.
  double sum_replicas(double value) const;
  double sum_parts(double value) const;
};

}  // namespace torchsight
