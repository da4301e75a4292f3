#include "models/imagen_video/enlarging.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight::imagen_video {

int64_t Enlarging::factor(const at::Tensor& small_BCthw) const {
  const int64_t given = small_BCthw.size(2);
  if (given >= 1 && frames % given == 0) return frames / given;
  throw Error(ErrorCode::kShape, "expected a divisor of " + std::to_string(frames) +
                                     " for the frames of the small video but received " +
                                     std::to_string(given));
}

at::Tensor Enlarging::operator()(const at::Tensor& small_BCthw) const {
  const int64_t times = factor(small_BCthw), batch = small_BCthw.size(0);
  at::Tensor large = small_BCthw;
  if (small_BCthw.size(3) != height || small_BCthw.size(4) != width) {
    large = at::upsample_bilinear2d(small_BCthw.transpose(1, 2).flatten(0, 1), {height, width},
                                    align_corners)
                .unflatten(0, {batch, small_BCthw.size(2)})
                .transpose(1, 2);
  }
  if (times == 1) return large.contiguous();
  if (fill == Fill::kRepeat) return large.repeat_interleave(times, 2);
  at::Tensor sparse = at::zeros({batch, large.size(1), frames, height, width}, large.options());
  sparse.slice(2, 0, frames, times).copy_(large);
  return sparse;
}

at::Tensor Enlarging::mask(const at::Tensor& small_BCthw) const {
  const int64_t times = factor(small_BCthw);
  at::Tensor mask =
      at::zeros({small_BCthw.size(0), 1, frames, height, width}, small_BCthw.options());
  mask.slice(2, 0, frames, times).fill_(1);
  return mask;
}

}  // namespace torchsight::imagen_video
