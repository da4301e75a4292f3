// A group over any backend of c10d.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "distributed/group.h"

namespace torchsight {

/// Collectives that take longer than `timeout` fail with `Error(kCollectiveTimeout)`.
std::shared_ptr<Group> make_c10d_group(c10::intrusive_ptr<c10d::Backend> backend,
                                       std::chrono::milliseconds timeout);

}  // namespace torchsight
