// A batch in parts, one after the other.
#pragma once

#include <vector>

#include "runtime/module.h"

namespace torchsight {

/// Pictures of a batch.
int64_t size_of_batch(const Call& call, const std::vector<TensorSpec>& inputs);

/// `count` parts of a batch, as even as can be, each a call with the same options. Throws
/// `Error(kShape)` where the batch is smaller than that.
std::vector<Call> parts_of(const Call& call, const std::vector<TensorSpec>& inputs, int64_t count);

}  // namespace torchsight
