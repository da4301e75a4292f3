#include "models/vit22b/head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/vit22b/initialisation.h"
#include "nn/attention.h"
#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight::vit22b {
MapHead::MapHead(const Config& config, const ModuleOptions& options) : config_(config) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width, hidden = config.hidden;
  const bool fuse = options.extra.get("fuse", true);
  probe_ = at::empty({1, d}, memory);
  q_ = Linear(at::empty({d, d}, memory));
  q_bias_ = at::empty({d}, memory);
  kv_ = FusedLinear(d, {{d, true}, {d, true}}, fuse, memory);
  out_ = Linear(at::empty({d, d}, memory));
  out_bias_ = at::empty({d}, memory);
  norm_ = make_norm(config.norm, config.norm_bias, config.norm_eps, d, options);
  fc1_ = FusedLinear(d, {{hidden, true, config.activation}}, fuse, memory);
  fc2_ = Linear(at::empty({d, hidden}, memory));
  fc2_bias_ = at::empty({d}, memory);
}

void MapHead::add_parameters(std::vector<Parameter>& parameters) {
  const std::vector<at::Tensor> kv = kv_.weights();
  add_parameter(parameters, "map.probe", probe_, kXavier);
  add_parameter(parameters, "map.attn.q.weight", q_.weight(), kXavier);
  add_parameter(parameters, "map.attn.q.bias", q_bias_, kZeros);
  add_parameter(parameters, "map.attn.k.weight", kv[0], kXavier);
  add_parameter(parameters, "map.attn.k.bias", kv_.bias(0), kZeros);
  add_parameter(parameters, "map.attn.v.weight", kv[1], kXavier);
  add_parameter(parameters, "map.attn.v.bias", kv_.bias(1), kZeros);
  add_parameter(parameters, "map.attn.out.weight", out_.weight(), kXavier);
  add_parameter(parameters, "map.attn.out.bias", out_bias_, kZeros);
  add_norm(parameters, "map.norm", norm_);
  add_parameter(parameters, "map.mlp.fc1.weight", fc1_.weights()[0], kXavier);
  add_parameter(parameters, "map.mlp.fc1.bias", fc1_.bias(0), kMlpBias);
  add_parameter(parameters, "map.mlp.fc2.weight", fc2_.weight(), kXavier);
  add_parameter(parameters, "map.mlp.fc2.bias", fc2_bias_, kMlpBias);
}

at::Tensor MapHead::forward(const at::Tensor& x_BNd) {
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1), heads = config_.heads;
  const Norm none{NormKind::kNone};
  const at::Tensor q_1d = q_(probe_, q_bias_);
  const std::vector<at::Tensor> kv = kv_(x_BNd.flatten(0, 1));
  const at::Tensor q_BH1e = none.heads(q_1d.expand({batch, 1, config_.width}), heads);
  const at::Tensor k_BHNe = none.heads(kv[0].unflatten(0, {batch, tokens}), heads);
  const at::Tensor v_BHNe = none.heads(kv[1].unflatten(0, {batch, tokens}), heads);
  const at::Tensor y_Bd = out_(attend(q_BH1e, k_BHNe, v_BHNe).squeeze(1), out_bias_);
  return y_Bd + fc2_(fc1_(norm_(y_Bd)).front(), fc2_bias_);
}

Head::Head(const Config& config, const ModuleOptions& options) : config_(config) {
  if (config.pooling == Pooling::kMap) map_.emplace(config, options);
  if (config.labels == 0) return;
  classifier_ = Linear(at::empty({config.labels, config.width}, tensor_options(options)));
  classifier_bias_ = at::empty({config.labels}, tensor_options(options));
}

void Head::add_parameters(std::vector<Parameter>& parameters) {
  if (map_) map_->add_parameters(parameters);
  if (config_.labels == 0) return;
  const Init bias{Init::Kind::kConstant, config_.head_bias};
  add_parameter(parameters, "head.weight", classifier_.weight(), kZeros);
  add_parameter(parameters, "head.bias", classifier_bias_, bias);
}

at::Tensor Head::pool(const at::Tensor& x_BNd) {
  if (map_) return map_->forward(x_BNd);
  return config_.pooling == Pooling::kMean ? x_BNd.mean(1) : x_BNd.select(1, 0).contiguous();
}

at::Tensor Head::classify(const at::Tensor& pooled_Bd) {
  return classifier_(pooled_Bd, classifier_bias_);
}

at::Tensor Head::explain(const at::Tensor& x_BNd, const std::vector<int64_t>& labels) {
  for (const int64_t label : labels) {
    if (label >= 0 && label < config_.labels) continue;
    throw Error(ErrorCode::kBadInput, "expected labels below " + std::to_string(config_.labels) +
                                          " for labels but received " + std::to_string(label));
  }
  const at::AutoGradMode gradients(true);
  const at::Tensor tokens_BNd = x_BNd.detach().requires_grad_();
  const at::Tensor logits_BK = classify(pool(tokens_BNd));
  // The pooled mean divides what a token adds by the number of tokens.
  const double scale = config_.pooling == Pooling::kMean ? static_cast<double>(x_BNd.size(1)) : 1;
  std::vector<at::Tensor> maps;
  for (const int64_t label : labels) {
    const at::Tensor logit = logits_BK.select(1, label).sum();
    const at::Tensor gradient_BNd =
        torch::autograd::grad({logit}, {tokens_BNd}, /*grad_outputs=*/{}, /*retain_graph=*/true)[0];
    maps.push_back((gradient_BNd * tokens_BNd).sum(-1).detach().mul_(scale));
  }
  return at::stack(maps, 1);
}

}  // namespace torchsight::vit22b
