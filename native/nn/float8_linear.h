// Products in float8 (e4m3) with a scale for each row of both operands: half the bytes and, on
// cards that have it, twice the speed of bfloat16, at about two significant digits for each number.
#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/module.h"

namespace torchsight::float8 {

/// Rows of float8 numbers and what they are multiplied by: matrix[r] ~ numbers[r] scale[r].
struct Rows {
  at::Tensor numbers;  // [R, I] float8_e4m3fn
  at::Tensor scale_R;  // float32, max |row| / 448

  Rows narrow(int64_t begin, int64_t count) const {
    return {numbers.narrow(0, begin, count), scale_R.narrow(0, begin, count)};
  }
};

/// A floating matrix [R, I] as rows of float8. Rows that are not finite become NaN.
Rows to_rows(const at::Tensor& matrix_RI);

/// x W^T + bias in `dtype`, accumulated in float32: [R, O]. `bias` may be undefined. All sizes but
/// R must be multiples of 16 on cards.
at::Tensor product(const Rows& x_RI, const Rows& weight_OI, const at::Tensor& bias_O,
                   at::ScalarType dtype);

/// Whether the extra option `weights` is "float8". Throws `Error(kBadInput)` where it is another,
/// and `Error(kUnsupported)` for groups of ranks.
bool wanted(const ModuleOptions& options);

/// Throws `Error(kUnsupported)` where `device` has no such products: cards from compute capability
/// 8.9 on do, and libtorch's CPU part.
void require(at::Device device);

}  // namespace torchsight::float8
