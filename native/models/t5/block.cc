#include "models/t5/block.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"

namespace torchsight::t5 {
namespace {

double per_root(int64_t fan) {
  return 1 / std::sqrt(static_cast<double>(fan));
}

// act(x W), or gelu(x W0) * (x W1).
at::Tensor hidden_of(FusedLinear& in, const at::Tensor& x_Rd) {
  const std::vector<at::Tensor> parts_RF = in(x_Rd);
  return parts_RF.size() == 1 ? at::relu(parts_RF[0]) : parts_RF[0] * parts_RF[1];
}

}  // namespace

Block::Block(const Config& config, const ModuleOptions& options)
    : config_(config),
      norm1_(make_norm(NormKind::kRms, false, config.norm_eps, config.width, options)),
      norm2_(make_norm(NormKind::kRms, false, config.norm_eps, config.width, options)) {
  const auto memory = tensor_options(options);
  const bool fuse = options.extra.get("fuse", true);
  const int64_t d = config.width, inner = config.inner(), hidden = config.hidden;
  std::vector<FusedLinear::Section> in{
      {hidden, false, config.gated() ? Activation::kGeluTanh : Activation::kNone}};
  if (config.gated()) in.push_back({hidden});
  qkv_ = FusedLinear(d, {{inner}, {inner}, {inner}}, fuse, memory);
  in_ = FusedLinear(d, std::move(in), fuse, memory);
  o_ = Linear(at::empty({d, inner}, memory));
  wo_ = Linear(at::empty({d, hidden}, memory));
}

void Block::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix,
                           const at::Tensor& table_KH) {
  // As the models began: queries are narrower by the root of a head, for logits are not scaled.
  const double width = per_root(config_.width);
  const std::string attention = prefix + ".layer.0.SelfAttention";
  add_section(parameters, attention + ".q", qkv_, 0, normal(width * per_root(config_.head)));
  add_section(parameters, attention + ".k", qkv_, 1, normal(width));
  add_section(parameters, attention + ".v", qkv_, 2, normal(width));
  add_linear(parameters, attention + ".o", o_, {}, normal(per_root(config_.inner())));
  if (table_KH.defined()) {
    add_parameter(parameters, attention + ".relative_attention_bias.weight", table_KH,
                  normal(width));
  }
  add_norm(parameters, prefix + ".layer.0.layer_norm", norm1_);
  const std::string dense = prefix + ".layer.1.DenseReluDense";
  if (config_.gated()) {
    add_section(parameters, dense + ".wi_0", in_, 0, normal(width));
    add_section(parameters, dense + ".wi_1", in_, 1, normal(width));
  } else {
    add_section(parameters, dense + ".wi", in_, 0, normal(width));
  }
  add_linear(parameters, dense + ".wo", wo_, {}, normal(per_root(config_.hidden)));
  add_norm(parameters, prefix + ".layer.1.layer_norm", norm2_);
}

at::Tensor Block::forward(at::Tensor x_BNd, const at::Tensor& bias_BHNN) {
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1);
  const Norm split{NormKind::kNone};
  at::Tensor x_Rd = x_BNd.flatten(0, 1);
  const std::vector<at::Tensor> qkv_RI = qkv_(norm1_(x_Rd));
  const auto heads = [&](size_t part) {
    return split.heads(qkv_RI[part].unflatten(0, {batch, tokens}), config_.heads);
  };
  const at::Tensor a_BHNe = at::scaled_dot_product_attention(heads(0), heads(1), heads(2),
                                                             bias_BHNN, 0, false, /*scale=*/1.0);
  const at::Tensor a_RI = a_BHNe.transpose(1, 2).reshape({batch * tokens, config_.inner()});
  x_Rd = o_.add(a_RI, std::move(x_Rd));
  const at::Tensor u_RF = hidden_of(in_, norm2_(x_Rd));
  x_Rd = wo_.add(u_RF, std::move(x_Rd));
  return x_Rd.unflatten(0, {batch, tokens});
}

}  // namespace torchsight::t5
