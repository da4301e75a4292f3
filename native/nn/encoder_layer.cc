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

EncoderLayer::EncoderLayer(const EncoderConfig& config, const ModuleOptions& options)
    : config_(config),
      norm1_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)),
      norm2_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width, hidden = config.hidden;
  const bool fuse = options.extra.get("fuse", true);
  qkv_ = FusedLinear(d, {{d, true}, {d, true}, {d, true}}, fuse, memory);
  fc1_ = FusedLinear(d, {{hidden, true, config.activation}}, fuse, memory);
  out_ = Linear(at::empty({d, d}, memory));
  out_bias_ = at::empty({d}, memory);
  fc2_ = Linear(at::empty({d, hidden}, memory));
  fc2_bias_ = at::empty({d}, memory);
}

void EncoderLayer::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  const Draws draw = draws_of(config_);
  const std::array<const char*, 3> parts{"q", "k", "v"};
  for (size_t i = 0; i < parts.size(); ++i) {
    add_section(parameters, prefix + ".self_attn." + parts[i] + "_proj", qkv_, i, draw.qkv);
  }
  add_linear(parameters, prefix + ".self_attn.out_proj", out_, out_bias_, draw.out);
  add_norm(parameters, prefix + ".layer_norm1", norm1_);
  add_section(parameters, prefix + ".mlp.fc1", fc1_, 0, draw.fc1, draw.mlp_bias);
  add_linear(parameters, prefix + ".mlp.fc2", fc2_, fc2_bias_, draw.fc2, draw.mlp_bias);
  add_norm(parameters, prefix + ".layer_norm2", norm2_);
}

at::Tensor EncoderLayer::forward(at::Tensor x_Rd, int64_t batch, const at::Tensor& mask) {
  const Norm split{NormKind::kNone};
  const auto heads = [&](const at::Tensor& y_Rd) {
    return split.heads(y_Rd.unflatten(0, {batch, -1}), config_.heads);
  };
  const std::vector<at::Tensor> qkv_Rd = qkv_(norm1_(x_Rd));
  const at::Tensor a_BNd = attend(heads(qkv_Rd[0]), heads(qkv_Rd[1]), heads(qkv_Rd[2]), mask);
  x_Rd = out_.add(a_BNd.flatten(0, 1), std::move(x_Rd), out_bias_);
  const at::Tensor u_RF = fc1_(norm2_(x_Rd)).front();
  return fc2_.add(u_RF, std::move(x_Rd), fc2_bias_);
}

}  // namespace torchsight
