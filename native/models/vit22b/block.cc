#include "models/vit22b/block.h"

#include <ATen/ATen.h>

#include "models/vit22b/initialisation.h"
#include "nn/attention.h"
#include "nn/parameters.h"

namespace torchsight::vit22b {
namespace {

Norm make_qk_norm(const Config& config, int64_t heads, const ModuleOptions& options) {
  Norm norm{config.qk_norm, config.norm_eps, {}, {}};
  if (config.qk_norm == NormKind::kNone) return norm;
  const int64_t width = config.head_width();
  norm.weight = config.qk_scale_per_head ? at::empty({heads, width}, tensor_options(options))
                                         : at::empty({width}, tensor_options(options));
  return norm;
}

}  // namespace

Block::Block(const Config& config, int64_t index, const TensorParallel& ranks,
             const ModuleOptions& options)
    : config_(config),
      ranks_(ranks),
      prefix_("blocks." + std::to_string(index)),
      fuse_(options.extra.get("fuse", true)),
      float8_(float8::wanted(options)),
      heads_(ranks.share(config.heads)) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width, hidden = ranks.share(config.hidden);
  const int64_t width = heads_ * config.head_width();
  norm_ = make_norm(config.norm, config.norm_bias, config.norm_eps, d, options);
  q_norm_ = make_qk_norm(config, heads_, options);
  k_norm_ = make_qk_norm(config, heads_, options);
  const FusedLinear::Section u{hidden, config.mlp_bias, config.activation};
  const FusedLinear::Section head{width, config.qkv_bias};
  if (config.block == BlockKind::kParallel) {
    in_ = FusedLinear(d, {u, head, head, head}, fuse_, memory);
  } else {
    norm2_ = make_norm(config.norm, config.norm_bias, config.norm_eps, d, options);
    in_ = FusedLinear(d, {head, head, head}, fuse_, memory);
    fc1_ = FusedLinear(d, {u}, fuse_, memory);
  }
  out_ = Linear(at::empty({d, width}, memory));
  fc2_ = Linear(at::empty({d, hidden}, memory));
  if (config.attention_out_bias) out_bias_ = at::empty({d}, memory);
  if (config.mlp_bias) fc2_bias_ = at::empty({d}, memory);
}

void Block::loaded() {
  if (float8_) {
    in_.to_float8();
    if (config_.block == BlockKind::kSequential) fc1_.to_float8();
    out_.to_float8();
    fc2_.to_float8();
  }
}

at::Tensor Block::joint_bias() const {
  if (!out_bias_.defined() || !fc2_bias_.defined()) {
    return out_bias_.defined() ? out_bias_ : fc2_bias_;
  }
  return out_bias_ + fc2_bias_;
}

void Block::add_parameters(std::vector<Parameter>& parameters) {
  const int64_t d = config_.width, hidden = config_.hidden;
  const bool parallel = config_.block == BlockKind::kParallel;
  const auto by_head = ranks_.cut(0, d), by_unit = ranks_.cut(0, hidden);
  const size_t q = parallel ? 1 : 0;  // the section of q within in_
  const std::vector<at::Tensor> in = in_.weights();
  add_norm(parameters, name(".norm"), norm_);
  const std::array<const char*, 3> parts{".attn.q", ".attn.k", ".attn.v"};
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string part = name(parts[i]);
    add_parameter(parameters, part + ".weight", in[q + i], kXavier, by_head, d);
    const at::Tensor bias = in_.bias(q + i);
    if (bias.defined()) add_parameter(parameters, part + ".bias", bias, kZeros, by_head, d);
  }
  const auto scale_cut = config_.qk_scale_per_head ? ranks_.cut(0, config_.heads) : std::nullopt;
  if (config_.qk_norm != NormKind::kNone) {
    add_parameter(parameters, name(".attn.q_norm.weight"), q_norm_.weight, kOnes, scale_cut,
                  config_.heads);
    add_parameter(parameters, name(".attn.k_norm.weight"), k_norm_.weight, kOnes, scale_cut,
                  config_.heads);
  }
  add_parameter(parameters, name(".attn.out.weight"), out_.weight(), kXavier, ranks_.cut(1, d), d);
  if (out_bias_.defined()) add_parameter(parameters, name(".attn.out.bias"), out_bias_, kZeros);
  if (!parallel) add_norm(parameters, name(".norm2"), norm2_);
  FusedLinear& fc1 = parallel ? in_ : fc1_;
  add_parameter(parameters, name(".mlp.fc1.weight"), parallel ? in[0] : fc1_.weights()[0], kXavier,
                by_unit, hidden);
  if (config_.mlp_bias) {
    add_parameter(parameters, name(".mlp.fc1.bias"), fc1.bias(0), kMlpBias, by_unit, hidden);
  }
  add_parameter(parameters, name(".mlp.fc2.weight"), fc2_.weight(), kXavier, ranks_.cut(1, hidden),
                hidden);
  if (config_.mlp_bias) add_parameter(parameters, name(".mlp.fc2.bias"), fc2_bias_, kMlpBias);
}

at::Tensor Block::attention(const std::vector<at::Tensor>& qkv_Rw, const Extent& extent,
                            Trace& trace) {
  const at::Tensor q_BHNe = q_norm_.heads(ranks_.batched(qkv_Rw[0], extent), heads_);
  const at::Tensor k_BHNe = k_norm_.heads(ranks_.batched(qkv_Rw[1], extent), heads_);
  const at::Tensor v_BHNe = Norm{NormKind::kNone}.heads(ranks_.batched(qkv_Rw[2], extent), heads_);
  for (const auto& [part, normed] : {std::pair{".q_normed", q_BHNe}, {".k_normed", k_BHNe}}) {
    if (trace.taps.wants(name(part))) {
      trace.taps.record(name(part), ranks_.join_heads(normed));
    }
  }
  if (trace.telemetry) {
    trace.statistics.push_back(ranks_.join_statistics(attention_statistics(q_BHNe, k_BHNe)));
  }
  return ranks_.rows(attend(q_BHNe, k_BHNe, v_BHNe), extent);
}

at::Tensor Block::parallel(at::Tensor x_Rd, const Extent& extent, Trace& trace) {
  std::vector<at::Tensor> uqkv = ranks_.enter(in_, ranks_.normalize(norm_, x_Rd));
  const at::Tensor u_RF = uqkv.front();
  uqkv.erase(uqkv.begin());
  const at::Tensor a_Rw = attention(uqkv, extent, trace);
  if (ranks_.sharded()) {
    return ranks_.leave(std::move(x_Rd), {{out_, a_Rw}, {fc2_, u_RF}}, joint_bias());
  }
  if (!fuse_) return x_Rd + out_(a_Rw, out_bias_) + fc2_(u_RF, fc2_bias_);
  return fc2_.add(u_RF, out_.add(a_Rw, std::move(x_Rd), joint_bias()));
}

at::Tensor Block::sequential(at::Tensor x_Rd, const Extent& extent, Trace& trace) {
  const auto close = [&](Linear& linear, const at::Tensor& in, at::Tensor x, const at::Tensor& b) {
    if (ranks_.sharded()) return ranks_.leave(std::move(x), {{linear, in}}, b);
    return fuse_ ? linear.add(in, std::move(x), b) : x + linear(in, b);
  };
  const at::Tensor a_Rw =
      attention(ranks_.enter(in_, ranks_.normalize(norm_, x_Rd)), extent, trace);
  x_Rd = close(out_, a_Rw, std::move(x_Rd), out_bias_);
  const at::Tensor u_RF = ranks_.enter(fc1_, ranks_.normalize(norm2_, x_Rd)).front();
  return close(fc2_, u_RF, std::move(x_Rd), fc2_bias_);
}

at::Tensor Block::forward(at::Tensor x_Rd, const Extent& extent, Trace& trace) {
  x_Rd = config_.block == BlockKind::kParallel ? parallel(std::move(x_Rd), extent, trace)
                                               : sequential(std::move(x_Rd), extent, trace);
  if (trace.taps.wants(prefix_)) trace.taps.record(prefix_, ranks_.join(x_Rd, extent));
  return x_Rd;
}

}  // namespace torchsight::vit22b
