// Large frames in tiles that overlap, for networks whose pixels see only what is near.
#pragma once

#include "diffusion/denoiser.h"
#include "io/json.h"

namespace torchsight::imagen_video {

/// Squares of `size` pixels that overlap by `overlap`. Of each, what is nearer than `halo` to an
/// edge within the frame is not used; over the rest of the overlap one tile fades into the next.
/// Where the halo covers all that a pixel sees and norms are of single pixels, tiles compute what
/// the whole frame would; else they are near it.
struct Tiling {
  int64_t size = 0;  // 0: none
  int64_t overlap = 0;
  int64_t halo = 0;

  /// Of `{size, overlap, halo}`; sizes are multiples of `stride`. Throws `Error(kBadConfig)`.
  static Tiling from_json(const Json& json, int64_t stride);
};

/// A network tile by tile, all tiles at one level: what it says is blended, so noise, thresholds
/// and steps stay those of the whole frame.
class TiledDenoiser final : public diffusion::Denoiser {
 public:
  TiledDenoiser(diffusion::Denoiser& inner, const Tiling& tiling, int64_t stride)
      : inner_(inner), tiling_(tiling), stride_(stride) {}

  diffusion::Prediction prediction() const override { return inner_.prediction(); }
  /// Conditions of the height and width of `z_BCTHW` are cut as it is. Polls `context` between
  /// tiles.
  at::Tensor predict(const at::Tensor& z_BCTHW, const at::Tensor& logsnr_B,
                     const NamedTensors& conditions, JobContext& context) override;

 private:
  diffusion::Denoiser& inner_;
  Tiling tiling_;
  int64_t stride_;
};

}  // namespace torchsight::imagen_video
