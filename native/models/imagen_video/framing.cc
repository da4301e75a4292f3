#include "models/imagen_video/framing.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace torchsight::imagen_video {

at::Tensor Padding::padded(const at::Tensor& x_BCTHW) const {
  const int64_t down = height() - height_, right = width() - width_;
  if (down == 0 && right == 0) return x_BCTHW;
  const at::Tensor frames = x_BCTHW.flatten(1, 2);
  const bool mirrors = down < height_ && right < width_;
  const at::Tensor larger = mirrors ? at::reflection_pad2d(frames, {0, right, 0, down})
                                    : at::replication_pad2d(frames, {0, right, 0, down});
  return larger.unflatten(1, {x_BCTHW.size(1), x_BCTHW.size(2)});
}

at::Tensor Padding::cropped(const at::Tensor& x_BCTHW) const {
  return x_BCTHW.narrow(3, 0, height_).narrow(4, 0, width_);
}

at::Tensor preview_of(const at::Tensor& x_BCTHW, int64_t most) {
  at::Tensor frames = x_BCTHW.transpose(1, 2).flatten(0, 1).to(at::kFloat);
  const int64_t height = frames.size(2), width = frames.size(3);
  const double scale = static_cast<double>(most) / static_cast<double>(std::max(height, width));
  if (scale < 1) {
    const auto shrunk = [&](int64_t side) {
      return std::max<int64_t>(1, std::llround(static_cast<double>(side) * scale));
    };
    frames = at::_upsample_bilinear2d_aa(frames, {shrunk(height), shrunk(width)}, false);
  }
  const at::Tensor levels = ((frames.clamp(-1, 1) + 1) * 127.5).round().to(at::kByte).cpu();
  return levels.permute({0, 2, 3, 1}).unflatten(0, {x_BCTHW.size(0), x_BCTHW.size(2)}).contiguous();
}

}  // namespace torchsight::imagen_video
