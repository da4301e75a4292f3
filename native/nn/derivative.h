// Kernels of our own, packed weights and steps in place have no derivatives.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

namespace torchsight {

/// Whether a result of these must have a derivative; undefined ones ask for none.
template <typename... Tensors>
bool needs_derivative(const Tensors&... operands) {
  return at::GradMode::is_enabled() && ((operands.defined() && operands.requires_grad()) || ...);
}

}  // namespace torchsight
