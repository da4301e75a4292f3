// Activation checkpointing: layers that keep their inputs alone for the backward pass, and compute
// the rest again in it (Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv
// 1604.06174).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace torchsight {

using Layer = std::function<at::Tensor(at::Tensor)>;
using JointLayer = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// `first(x)`, without what its derivative needs but for `x`. The backward pass calls `again`,
/// which must compute the same of the same weights, draw no random numbers, and outlive the result;
/// the gradients are then the same, bit for bit. Products have the dtype that they had at first.
/// Where gradients are not enabled this is `first(x)`.
at::Tensor recomputed(at::Tensor x, const Layer& first, Layer again);

/// The same of several inputs, which have a gradient each; undefined ones stay so. All that a layer
/// depends on and that is itself computed from weights must be among them.
at::Tensor recomputed(std::vector<at::Tensor> inputs, const JointLayer& first, JointLayer again);

}  // namespace torchsight
