// The small video that a stage learns to enlarge, made of the large one: Ho et al., "Imagen Video"
// (arXiv 2210.02303, section 2.4).
#pragma once

#include "models/imagen_video/enlarging.h"
#include "runtime/config_reader.h"

namespace torchsight::imagen_video {

struct Shrinking {
  enum class Kind {
    kSpace,  // fewer pixels: means of squares
    kTime,   // each how manieth frame, from the first on
  };

  Kind kind = Kind::kSpace;
  int64_t factor = 2;
  Fill fill = Fill::kRepeat;
  bool align_corners = false;

  /// Channels of what the network sees of videos of `channels`.
  int64_t channels(int64_t channels) const;
  /// [B, C, T, H, W] to [B, C, T, H / factor, W / factor] or [B, C, T / factor, H, W]. Throws
  /// `Error(kShape)` for sizes that do not divide.
  at::Tensor operator()(const at::Tensor& x_BCTHW) const;
  /// How what that gives comes to the size of `x_BCTHW` again.
  Enlarging enlarging(const at::Tensor& x_BCTHW) const;

  /// Of `{kind: "space" | "time", factor, fill: "repeat" | "blank", align_corners}`. Throws
  /// `Error(kBadConfig)`.
  static Shrinking from_json(const ConfigReader& reader);
};

}  // namespace torchsight::imagen_video
