// Losses of logits and labels.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

/// The name under which a batch has labels.
inline constexpr const char* kLabels = "labels";

/// For labels [B, K] of 0 and 1, or numbers between: summed over labels, the mean over the batch.
/// Throws `Error(kShape)`.
at::Tensor sigmoid_cross_entropy(const at::Tensor& logits_BK, const at::Tensor& labels_BK);

/// For labels [B] of indices (int64) or [B, K] of probabilities: the mean over the batch. Throws
/// `Error(kShape)`.
at::Tensor softmax_cross_entropy(const at::Tensor& logits_BK, const at::Tensor& labels);

}  // namespace torchsight
