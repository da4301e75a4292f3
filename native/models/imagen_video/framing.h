// Frames at sizes that networks compute and people look at.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchsight::imagen_video {

/// Frames at the size that a network computes, and back: more to the right and at the bottom.
class Padding {
 public:
  Padding(int64_t height, int64_t width, int64_t stride)
      : height_(height), width_(width), stride_(stride) {}

  int64_t height() const { return multiple(height_); }
  int64_t width() const { return multiple(width_); }

  /// [B, C, T, H, W], mirrored at the edges, or the edges repeated where there is too little to
  /// mirror.
  at::Tensor padded(const at::Tensor& x_BCTHW) const;
  at::Tensor cropped(const at::Tensor& x_BCTHW) const;

 private:
  int64_t multiple(int64_t side) const { return (side + stride_ - 1) / stride_ * stride_; }

  int64_t height_, width_, stride_;
};

/// Video in [-1, 1] as levels on the CPU, uint8 [B, T, h, w, C], shrunk to a longer side of at most
/// `most` pixels.
at::Tensor preview_of(const at::Tensor& x_BCTHW, int64_t most);

}  // namespace torchsight::imagen_video
