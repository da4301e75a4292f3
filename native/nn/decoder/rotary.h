// Rotary position embedding (Su et al., arXiv 2104.09864) in Gemma's layout: the first half of a
// head is paired with the second.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

/// Cosines and sines of the angles position * theta^(-2 i / e), for i below e / 2.
struct Rotation {
  at::Tensor cos_BTf, sin_BTf;  // float32, or float64 for models of float64
};

/// The rotation of tokens at `positions_BT` for heads of `head_width`.
Rotation make_rotation(const at::Tensor& positions_BT, int64_t head_width, double theta,
                       at::ScalarType dtype);

/// Rotates the heads `x_BTHe`, a view with contiguous heads, in place.
void rotate_(at::Tensor x_BTHe, const Rotation& rotation);

}  // namespace torchsight
