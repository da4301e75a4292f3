// Attention of one new token to a cache of keys and values: a step of decoding.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

/// softmax(v) values for one query of each head, where v = scale q k^T, or softcap tanh(v /
/// softcap) if `softcap` is not zero. Row b looks at the positions from `begin_B`[b] to before
/// `end`, at least one. Query head h shares the keys of head h / (H / K).
///
/// `q_BHe` [B, H, e]; `keys_BKTe` and `values_BKTe` [B, K, T, e], of any strides; `begin_B` int64.
/// Returns [B, H, e] in the dtype of `q_BHe`. On a CPU, float32 queries meet float32 or
/// half-precision keys in float32 arithmetic, and each key and value is read once.
at::Tensor attend_step(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                       const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                       double scale, double softcap = 0);

}  // namespace torchsight
