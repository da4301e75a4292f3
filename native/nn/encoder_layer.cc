#include "nn/encoder_layer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/attention.h"
#include "nn/parameters.h"

namespace torchsight {
namespace {

// What weights are drawn from where there is no checkpoint.
struct Draws {
  Init qkv, out, fc1, fc2, mlp_bias;
};

Draws draws_of(const EncoderConfig& config) {
  if (config.init == EncoderInit::kXavier) {
    return {kXavier, kXavier, kXavier, kXavier, normal(1e-6)};
  }
  const double width = 1 / std::sqrt(static_cast<double>(config.width));
  const double depth = 1 / std::sqrt(2 * static_cast<double>(config.depth));
  const Init inward = normal(width * depth);
  return {inward, normal(width), normal(width / std::sqrt(2.0)), inward, kZeros};
}

}  // namespace

EncoderLayer::EncoderLayer(const EncoderConfig& config, const TensorParallel& ranks,
                           const ModuleOptions& options)
    : config_(config),
      ranks_(ranks),
      norm1_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)),
      norm2_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width, width = ranks.share(d), hidden = ranks.share(config.hidden);
  const bool fuse = options.extra.get("fuse", true);
  qkv_ = FusedLinear(d, {{width, true}, {width, true}, {width, true}}, fuse, memory);
  fc1_ = FusedLinear(d, {{hidden, true, config.activation}}, fuse, memory);
  out_ = Linear(at::empty({d, width}, memory));
  out_bias_ = at::empty({d}, memory);
  fc2_ = Linear(at::empty({d, hidden}, memory));
  fc2_bias_ = at::empty({d}, memory);
}

void EncoderLayer::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  const Draws draw = draws_of(config_);
  const int64_t d = config_.width, hidden = config_.hidden;
  const Part heads{ranks_.cut(0, d), d}, units{ranks_.cut(0, hidden), hidden};
  const Part of_heads{ranks_.cut(1, d), d}, of_units{ranks_.cut(1, hidden), hidden};
  const std::array<const char*, 3> parts{"q", "k", "v"};
  for (size_t i = 0; i < parts.size(); ++i) {
    add_section(parameters, prefix + ".self_attn." + parts[i] + "_proj", qkv_, i, draw.qkv, kZeros,
                heads);
  }
  add_linear(parameters, prefix + ".self_attn.out_proj", out_, out_bias_, draw.out, kZeros,
             of_heads);
  add_norm(parameters, prefix + ".layer_norm1", norm1_);
  add_section(parameters, prefix + ".mlp.fc1", fc1_, 0, draw.fc1, draw.mlp_bias, units);
  add_linear(parameters, prefix + ".mlp.fc2", fc2_, fc2_bias_, draw.fc2, draw.mlp_bias, of_units);
  add_norm(parameters, prefix + ".layer_norm2", norm2_);
}

at::Tensor EncoderLayer::forward(at::Tensor x_Rd, const Extent& extent, const at::Tensor& mask) {
  const Norm split{NormKind::kNone};
  const auto heads = [&](const at::Tensor& y_Rw) {
    return split.heads(ranks_.batched(y_Rw, extent), ranks_.share(config_.heads));
  };
  const auto leave = [&](Linear& layer, const at::Tensor& in_Rw, const at::Tensor& bias_d) {
    if (ranks_.sharded()) return ranks_.leave(std::move(x_Rd), {{layer, in_Rw}}, bias_d);
    return layer.add(in_Rw, std::move(x_Rd), bias_d);
  };
  const std::vector<at::Tensor> qkv_Rw = ranks_.enter(qkv_, ranks_.normalize(norm1_, x_Rd));
  const at::Tensor a_BNw = attend(heads(qkv_Rw[0]), heads(qkv_Rw[1]), heads(qkv_Rw[2]), mask);
  x_Rd = leave(out_, ranks_.rows(a_BNw, extent), out_bias_);
  const at::Tensor u_RF = ranks_.enter(fc1_, ranks_.normalize(norm2_, x_Rd)).front();
  return leave(fc2_, u_RF, fc2_bias_);
}

}  // namespace torchsight
