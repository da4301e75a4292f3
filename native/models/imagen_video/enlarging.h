// The small video of a stage that enlarges, at the size of its own: Ho et al., "Imagen Video"
// (arXiv 2210.02303, section 2.4).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchsight::imagen_video {

/// What stands in frames that the small video lacks.
enum class Fill {
  kRepeat,  // the frame before them
  kBlank,   // 0, told by a mask
};

/// What a stage makes of a small video.
struct Enlarging {
  int64_t frames, height, width;
  Fill fill = Fill::kRepeat;
  bool align_corners = false;

  /// [B, C, t, h, w] to [B, C, T, H, W]: frame i to frame i T / t, then bilinear in space. Throws
  /// `Error(kShape)`, naming the small video, where t does not divide T.
  at::Tensor operator()(const at::Tensor& small_BCthw) const;
  /// 1 at frames that the small video has, [B, 1, T, H, W] in its dtype: the further channel of
  /// `kBlank`.
  at::Tensor mask(const at::Tensor& small_BCthw) const;

 private:
  int64_t factor(const at::Tensor& small_BCthw) const;
};

}  // namespace torchsight::imagen_video
