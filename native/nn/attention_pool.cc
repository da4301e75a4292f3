#include "nn/attention_pool.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "nn/parameters.h"

namespace torchsight {

AttentionPool::AttentionPool(const EncoderConfig& config, const ModuleOptions& options)
    : config_(config),
      norm_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width, hidden = config.hidden;
  probe_11d_ = at::empty({1, 1, d}, memory);
  in_3dd_ = at::empty({3 * d, d}, memory);
  in_bias_3d_ = at::empty({3 * d}, memory);
  out_ = Linear(at::empty({d, d}, memory));
  out_bias_ = at::empty({d}, memory);
  fc1_ =
      FusedLinear(d, {{hidden, true, config.activation}}, options.extra.get("fuse", true), memory);
  fc2_ = Linear(at::empty({d, hidden}, memory));
  fc2_bias_ = at::empty({d}, memory);
}

void AttentionPool::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  const Init mlp_bias = normal(1e-6);
  add_parameter(parameters, prefix + ".probe", probe_11d_, kXavier);
  add_parameter(parameters, prefix + ".attention.in_proj_weight", in_3dd_, kXavier);
  add_parameter(parameters, prefix + ".attention.in_proj_bias", in_bias_3d_, kZeros);
  add_linear(parameters, prefix + ".attention.out_proj", out_, out_bias_,
             {Init::Kind::kLecunNormal});
  add_norm(parameters, prefix + ".layernorm", norm_);
  add_section(parameters, prefix + ".mlp.fc1", fc1_, 0, kXavier, mlp_bias);
  add_linear(parameters, prefix + ".mlp.fc2", fc2_, fc2_bias_, kXavier, mlp_bias);
}

// Since there is one query, the matrices of keys and values act on it and on the pooled tokens
// rather than on every token: q (Wk x) = (Wk^T q) x, and sum a (Wv x) = Wv (sum a x). The bias of
// the keys adds the same to all logits of a head, which softmax does not see.
at::Tensor AttentionPool::attend(const at::Tensor& x_BNd, const at::Tensor& mask_BN) const {
  const int64_t d = config_.width, heads = config_.heads, e = d / heads;
  const auto part = [&](int64_t i) { return in_3dd_.narrow(0, i * d, d); };
  const auto part_bias = [&](int64_t i) { return in_bias_3d_.narrow(0, i * d, d); };
  const at::Tensor q_1d = at::linear(probe_11d_.flatten(0, 1), part(0), part_bias(0));
  const at::Tensor q_H1e = q_1d.view({heads, 1, e}) / std::sqrt(static_cast<double>(e));
  const at::Tensor key_Hd = at::bmm(q_H1e, part(1).view({heads, e, d})).squeeze(1);

  at::Tensor logits_BHN = at::matmul(key_Hd, x_BNd.transpose(1, 2));
  const auto dtype = at::promote_types(logits_BHN.scalar_type(), at::kFloat);
  logits_BHN = logits_BHN.to(dtype);
  if (mask_BN.defined()) {
    logits_BHN.masked_fill_(mask_BN.logical_not().unsqueeze(1),
                            -std::numeric_limits<double>::infinity());
  }
  const at::Tensor weights_BHN = at::softmax(logits_BHN, -1).to(x_BNd.scalar_type());
  const at::Tensor pooled_HBd = at::matmul(weights_BHN, x_BNd).transpose(0, 1);
  const at::Tensor value_HBe = at::bmm(pooled_HBd, part(2).view({heads, e, d}).transpose(1, 2));
  return value_HBe.transpose(0, 1).flatten(1) + part_bias(2);
}

at::Tensor AttentionPool::operator()(const at::Tensor& x_BNd, const at::Tensor& mask_BN) {
  at::Tensor pooled_Bd = out_(attend(x_BNd, mask_BN), out_bias_);
  const at::Tensor u_BF = fc1_(norm_(pooled_Bd)).front();
  return fc2_.add(u_BF, std::move(pooled_Bd), fc2_bias_);
}

}  // namespace torchsight
