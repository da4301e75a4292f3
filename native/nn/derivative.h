// Kernels of our own, packed weights and steps in place have no derivatives, and know nothing of
// autocast.
#pragma once

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <initializer_list>

namespace torchsight {

/// Whether a result of these must have a derivative, or be computed in the dtypes of autocast, as
/// all that is around it; undefined ones ask for none.
template <typename... Tensors>
bool needs_derivative(const Tensors&... operands) {
  if (!at::GradMode::is_enabled()) return false;
  return ((operands.defined() && operands.requires_grad()) || ...) ||
         at::autocast::is_autocast_enabled(at::kCPU) ||
         at::autocast::is_autocast_enabled(at::kCUDA);
}

/// The same of several lists of operands.
inline bool needs_derivative(std::initializer_list<at::ArrayRef<at::Tensor>> operands) {
  for (const at::ArrayRef<at::Tensor> list : operands) {
    for (const at::Tensor& tensor : list) {
      if (needs_derivative(tensor)) return true;
    }
  }
  return false;
}

}  // namespace torchsight
