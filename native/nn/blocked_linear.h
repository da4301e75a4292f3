// oneDNN's linear operators with weights in its own layout, as libtorch registers them.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/activation.h"

namespace torchsight::blocked {

/// Whether this libtorch has the operators on this machine.
bool available();

/// `weight_OI` in the layout for products with about `rows` rows; `to_dense()` is the inverse.
at::Tensor pack(const at::Tensor& weight_OI, int64_t rows);

/// activation(x W^T + bias).
at::Tensor linear(const at::Tensor& x_RI, const at::Tensor& packed, const at::Tensor& bias_O,
                  Activation activation);

/// sum + x W^T + bias, as a new tensor.
at::Tensor linear_add(const at::Tensor& x_RI, const at::Tensor& sum_RO, const at::Tensor& packed,
                      const at::Tensor& bias_O);

}  // namespace torchsight::blocked
