// A rank of a group that nobody has formed: enough to ask a module what that rank would hold.
#pragma once

#include "distributed/group.h"

namespace torchsight {

/// Only `rank` and `size` mean anything; collectives throw `Error(kInternal)`.
std::shared_ptr<Group> make_nominal_group(int64_t rank, int64_t size);

}  // namespace torchsight
