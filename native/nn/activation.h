// The activations of transformers. The forms of GELU differ by 1e-3 to 2e-2, so a checkpoint names
// one: erf, the tanh approximation, or CLIP's x sigmoid(1.702 x).
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

enum class Activation { kNone, kGelu, kGeluTanh, kQuickGelu };

/// x <- activation(x + bias), where `bias` is [columns of x] or undefined. `x` is [rows, columns]
/// with contiguous rows, often a slice of a wider matrix; it is changed in place.
void activate_(at::Tensor x_RF, const at::Tensor& bias_F, Activation activation);

/// activation(x) as a new tensor, with a derivative.
at::Tensor activated(const at::Tensor& x, Activation activation);

/// activation(gate) * up for rows [R, 2 F] of gate and up: [R, F].
at::Tensor gated(const at::Tensor& x_R2F, Activation activation);

}  // namespace torchsight
