#include "nn/patches.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight {

at::Tensor cut_patches(const at::Tensor& pixels_BCHW, int64_t patch) {
  const int64_t batch = pixels_BCHW.size(0), channels = pixels_BCHW.size(1);
  const int64_t rows = pixels_BCHW.size(2) / patch, columns = pixels_BCHW.size(3) / patch;
  if (batch < 1 || rows < 1 || columns < 1) {
    throw Error(ErrorCode::kShape, "expected at least one picture of " + std::to_string(patch) +
                                       " by " + std::to_string(patch) +
                                       " pixels for pixel_values but received shape [" +
                                       std::to_string(batch) + ", " + std::to_string(channels) +
                                       ", " + std::to_string(pixels_BCHW.size(2)) + ", " +
                                       std::to_string(pixels_BCHW.size(3)) + "]");
  }
  return pixels_BCHW.narrow(2, 0, rows * patch)
      .narrow(3, 0, columns * patch)
      .reshape({batch, channels, rows, patch, columns, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({batch, rows, columns, channels * patch * patch});
}

}  // namespace torchsight
