// A rank of a group that is only imagined: what it would send is counted.
#pragma once

#include <map>
#include <string>

#include "distributed/group.h"

namespace torchsight {

/// Calls of one kind, and the bytes that this rank sends for them in a ring.
struct Traffic {
  int64_t calls = 0;
  int64_t bytes = 0;
};

/// A group over c10d's fake backend, which answers at once and with nothing that means anything:
/// for tensors of the meta device.
class DryGroup : public Group {
 public:
  /// By kind: `all_gather`, `all_to_all`, `all_reduce`, `ring`.
  virtual const std::map<std::string, Traffic>& traffic() const noexcept = 0;
};

std::shared_ptr<DryGroup> make_dry_group(int64_t rank, int64_t size);

}  // namespace torchsight
