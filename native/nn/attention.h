// Attention of all tokens to all tokens, and what it can tell of itself.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

/// softmax(q k^T / sqrt(e)) v with float32 softmax, heads merged: [B, H, N, e] -> [B, N, H e].
/// `mask`, where defined, broadcasts to [B, H, N, M] and is true where a query may look.
at::Tensor attend(const at::Tensor& q_BHNe, const at::Tensor& k_BHMe, const at::Tensor& v_BHMe,
                  const at::Tensor& mask = {});

/// The two numbers that show attention collapsing (arXiv 2302.05442, section 2): the largest logit
/// q k^T / sqrt(e), and the mean entropy of the rows of softmax in nats. Returns float32 [2], or
/// float64 for inputs of float64, without derivatives. Takes memory for one head's logits at a
/// time.
at::Tensor attention_statistics(const at::Tensor& q_BHNe, const at::Tensor& k_BHMe);

}  // namespace torchsight
