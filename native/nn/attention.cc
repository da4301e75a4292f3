#include "nn/attention.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace torchsight {

at::Tensor attend(const at::Tensor& q_BHNe, const at::Tensor& k_BHMe, const at::Tensor& v_BHMe,
                  const at::Tensor& mask) {
  const auto given = mask.defined() ? std::optional(mask) : std::nullopt;
  const at::Tensor a_BHNe = at::scaled_dot_product_attention(q_BHNe, k_BHMe, v_BHMe, given);
  return a_BHNe.transpose(1, 2).flatten(2);
}

at::Tensor attention_statistics(const at::Tensor& q_BHNe, const at::Tensor& k_BHMe) {
  const at::NoGradGuard no_grad;
  const auto dtype = at::promote_types(q_BHNe.scalar_type(), at::kFloat);
  const double scale = 1 / std::sqrt(static_cast<double>(q_BHNe.size(3)));
  at::Tensor largest, entropy;
  const int64_t heads = q_BHNe.size(1);
  for (int64_t h = 0; h < heads; ++h) {
    const at::Tensor q_BNe = q_BHNe.select(1, h).to(dtype), k_BMe = k_BHMe.select(1, h).to(dtype);
    const at::Tensor logits_BNM = at::matmul(q_BNe, k_BMe.transpose(1, 2)) * scale;
    const at::Tensor log_p_BNM = at::log_softmax(logits_BNM, -1);
    const at::Tensor top = logits_BNM.max();
    const at::Tensor nats = -(log_p_BNM.exp() * log_p_BNM).sum(-1).mean();
    largest = largest.defined() ? at::maximum(largest, top) : top;
    entropy = entropy.defined() ? entropy + nats : nats;
  }
  return at::stack({largest, entropy / heads});
}

}  // namespace torchsight
