// The GELU of transformers, in its two forms. They differ by about 1e-3, so a checkpoint names one.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

enum class Activation { kNone, kGelu, kGeluTanh };

/// x <- activation(x + bias), where `bias` is [columns of x] or undefined. `x` is [rows, columns]
/// with contiguous rows, often a slice of a wider matrix; it is changed in place.
void activate_(at::Tensor x_RF, const at::Tensor& bias_F, Activation activation);

}  // namespace torchsight
