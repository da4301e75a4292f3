// Pictures cut into the patches that a vision transformer reads.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

/// Pictures [B, C, height, width] to their patches row by row, [B, rows, columns, C p p], each
/// laid out by channel, row, column. Pixels right of and below the last whole patch are not seen,
/// as in a convolution without padding. Throws `Error(kShape)` where not one whole patch fits.
at::Tensor cut_patches(const at::Tensor& pixels_BCHW, int64_t patch);

}  // namespace torchsight
