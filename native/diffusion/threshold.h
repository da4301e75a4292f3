// Keeping predicted data in the range [-1, 1] of real data: Saharia et al., "Imagen" (arXiv
// 2205.11487, section 2.3).
#pragma once

#include <ATen/core/Tensor.h>

#include "io/json.h"

namespace torchsight::diffusion {

struct Threshold {
  enum class Kind {
    kNone,
    kStatic,   // clipped to [-1, 1]
    kDynamic,  // clipped to [-s, s] and divided by s, the sample's percentile of |x|, at least 1
  };

  Kind kind = Kind::kStatic;
  double percentile = 0.995;
  double most = 0;  // s is at most that; 0: no bound

  /// x in range, in its dtype. The percentile is over all of a sample: one of each frame would
  /// flicker.
  at::Tensor operator()(const at::Tensor& x_BS) const;

  /// Of "none", "static", "dynamic", or `{percentile, most}` for a dynamic one. Throws
  /// `Error(kBadConfig)`, naming `threshold`.
  static Threshold from_json(const Json& json);
};

/// The quantile `q` of each row, between neighbours as torch.quantile does it: [B]. Unlike that
/// operator it takes rows of any length.
at::Tensor row_quantile(const at::Tensor& values_BN, double q);

}  // namespace torchsight::diffusion
