// The norms of transformers over the last dimension. Statistics are float32 for all narrower
// dtypes.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

enum class NormKind {
  kNone,
  kRms,        // x / sqrt(mean(x^2) + eps): no centering
  kLayerNorm,  // (x - mean) / sqrt(var + eps)
};

struct Norm {
  NormKind kind = NormKind::kRms;
  double eps = 1e-6;
  at::Tensor weight = {};  // [width], or [heads, width] for a scale per head; undefined: none
  at::Tensor bias = {};    // [width]; undefined: none

  /// The norm of each row of `x` [..., width], as a new contiguous tensor.
  at::Tensor operator()(const at::Tensor& x) const;

  /// `x_BNd`, of any strides, cut into heads, each normalised (kNone: only laid out): [B, H, N, e],
  /// contiguous on the CPU.
  at::Tensor heads(const at::Tensor& x_BNd, int64_t heads) const;
};

}  // namespace torchsight
