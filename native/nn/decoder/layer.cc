#include "nn/decoder/layer.h"

#include <ATen/ATen.h>

#include "nn/activation.h"
#include "nn/decode_attention.h"
#include "nn/parameters.h"

namespace torchsight {
namespace {

constexpr double kDeviation = 0.02;  // of fresh weights
// Rows of a prompt whose scores are held at a time where libtorch's own kernels have no soft cap.
constexpr int64_t kScores = int64_t{1} << 24;

// softmax(cap(scale q k^T)) v, a piece of the queries at a time. Query heads of one group lie
// behind each other in the rows: [B, K, G T, e]. `seen` is bool [B or 1, 1, T, M] or undefined.
at::Tensor attend_capped(const at::Tensor& q_BKRe, const at::Tensor& k_BKMe,
                         const at::Tensor& v_BKMe, const at::Tensor& seen_B1RM, double scale,
                         double cap) {
  const int64_t rows = q_BKRe.size(2);
  const int64_t row_size = q_BKRe.size(0) * q_BKRe.size(1) * k_BKMe.size(2);
  const int64_t piece = std::max<int64_t>(1, kScores / row_size);
  at::Tensor result_BKRe = at::empty_like(q_BKRe, at::MemoryFormat::Contiguous);
  for (int64_t begin = 0; begin < rows; begin += piece) {
    const int64_t count = std::min(piece, rows - begin);
    at::Tensor scores = at::matmul(q_BKRe.narrow(2, begin, count), k_BKMe.transpose(2, 3));
    scores.mul_(scale / cap).tanh_().mul_(cap);
    if (seen_B1RM.defined()) {
      const auto lowest = -std::numeric_limits<double>::infinity();
      scores.masked_fill_(seen_B1RM.narrow(2, begin, count).logical_not(), lowest);
    }
    const auto dtype = at::promote_types(scores.scalar_type(), at::kFloat);
    const at::Tensor weights = at::softmax(scores, -1, dtype).to(q_BKRe.scalar_type());
    result_BKRe.narrow(2, begin, count).copy_(at::matmul(weights, v_BKMe));
  }
  return result_BKRe;
}

}  // namespace

DecoderLayer::DecoderLayer(const DecoderShare& share, int64_t index, const ModuleOptions& options)
    : share_(share), config_(share.own), index_(index) {
  const DecoderConfig& config = config_;
  const auto memory = tensor_options(options);
  const int64_t d = config.width, e = config.head_width;
  const int64_t query = config.heads * e, all = query + 2 * config.kv_heads * e;
  attention_norm_ = OffsetNorm(d, config.norm_eps, options);
  mlp_norm_ = OffsetNorm(d, config.norm_eps, options);
  if (config.gemma2) {
    attention_result_norm_ = OffsetNorm(d, config.norm_eps, options);
    mlp_result_norm_ = OffsetNorm(d, config.norm_eps, options);
  }
  qkv_ = CompactLinear(at::empty({all, d}, memory));
  out_ = CompactLinear(at::empty({d, query}, memory));
  gate_up_ = CompactLinear(at::empty({2 * config.hidden, d}, memory));
  down_ = CompactLinear(at::empty({d, config.hidden}, memory));
  if (config.attention_bias) {
    qkv_bias_ = at::empty({all}, memory);
    out_bias_ = at::empty({d}, memory);
  }
}

void DecoderLayer::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  const DecoderConfig& full = share_.full;
  const TensorParallel& ranks = share_.ranks;
  const int64_t e = config_.head_width, hidden = config_.hidden, query = full.heads * e;
  const auto add = [&](const std::string& name, const at::Tensor& whole, const at::Tensor& bias,
                       int64_t begin, int64_t rows, const Part& part) {
    add_parameter(parameters, prefix + name + ".weight", whole.narrow(0, begin, rows),
                  normal(kDeviation), part.cut, part.full_length);
    if (bias.defined()) {
      add_parameter(parameters, prefix + name + ".bias", bias.narrow(0, begin, rows), kZeros,
                    part.cut, part.full_length);
    }
  };
  Part queries{ranks.cut(0, query), query}, keys{share_.kv_heads, full.kv_heads * e};
  if (keys.cut) {
    keys.cut->begin *= e;
    keys.cut->length *= e;
  }
  int64_t begin = 0;
  const at::Tensor qkv = plain_memory(qkv_);
  for (const char* part : {"q", "k", "v"}) {
    const int64_t rows = (*part == 'q' ? config_.heads : config_.kv_heads) * e;
    add(std::string(".self_attn.") + part + "_proj", qkv, qkv_bias_, begin, rows,
        *part == 'q' ? queries : keys);
    begin += rows;
  }
  add_parameter(parameters, prefix + ".self_attn.o_proj.weight", plain_memory(out_),
                normal(kDeviation), ranks.cut(1, query), query);
  if (out_bias_.defined()) {
    add_parameter(parameters, prefix + ".self_attn.o_proj.bias", out_bias_, kZeros);
  }
  const Part units{ranks.cut(0, full.hidden), full.hidden};
  const at::Tensor gate_up = plain_memory(gate_up_);
  add(".mlp.gate_proj", gate_up, {}, 0, hidden, units);
  add(".mlp.up_proj", gate_up, {}, hidden, hidden, units);
  add_parameter(parameters, prefix + ".mlp.down_proj.weight", plain_memory(down_),
                normal(kDeviation), ranks.cut(1, full.hidden), full.hidden);
  attention_norm_.add_parameters(parameters, prefix + ".input_layernorm");
  if (config_.gemma2) {
    attention_result_norm_.add_parameters(parameters, prefix + ".post_attention_layernorm");
    mlp_norm_.add_parameters(parameters, prefix + ".pre_feedforward_layernorm");
    mlp_result_norm_.add_parameters(parameters, prefix + ".post_feedforward_layernorm");
  } else {
    // Gemma's name for the norm before the MLP, which Gemma 2 gave to another one.
    mlp_norm_.add_parameters(parameters, prefix + ".post_attention_layernorm");
  }
}

void DecoderLayer::quantize() {
  for (CompactLinear* matrix : {&qkv_, &out_, &gate_up_, &down_}) matrix->quantize();
}

at::Tensor DecoderLayer::forward(at::Tensor x_Rd, const DecoderPass& pass) {
  at::Tensor attended_Rd = attention(attention_norm_(x_Rd), pass);
  if (config_.gemma2) attended_Rd = attention_result_norm_(attended_Rd);
  x_Rd = x_Rd.add(attended_Rd);
  at::Tensor changed_Rd = mlp(mlp_norm_(x_Rd));
  if (config_.gemma2) changed_Rd = mlp_result_norm_(changed_Rd);
  return x_Rd.add_(changed_Rd);
}

at::Tensor DecoderLayer::attention(const at::Tensor& x_Rd, const DecoderPass& pass) {
  const int64_t heads = config_.heads, groups = config_.kv_heads, e = config_.head_width;
  at::Tensor qkv_Ro = qkv_(x_Rd);
  if (qkv_bias_.defined()) qkv_Ro.add_(qkv_bias_);
  const at::Tensor qkv_BTHe = qkv_Ro.view({pass.batch, pass.tokens, heads + 2 * groups, e});
  rotate_(qkv_BTHe.narrow(2, 0, heads + groups), pass.rotation);
  const at::Tensor q_BTHe = qkv_BTHe.narrow(2, 0, heads);
  const at::Tensor k_BTKe = qkv_BTHe.narrow(2, heads, groups);
  const at::Tensor v_BTKe = qkv_BTHe.narrow(2, heads + groups, groups);
  at::Tensor a_Ro;
  if (pass.place_1.defined()) {
    pass.cache->write_at(index_, pass.place_1, k_BTKe, v_BTKe);
    a_Ro = attend_masked(q_BTHe, pass.cache->keys(index_), pass.cache->values(index_), pass);
  } else {
    if (pass.cache) pass.cache->write(index_, k_BTKe, v_BTKe);
    const auto turned = [](const at::Tensor& x_BTKe) {
      return x_BTKe.transpose(1, 2).contiguous();
    };
    const bool next = pass.cache && pass.cache->length() > 0;
    a_Ro = next ? attend_next(q_BTHe, pass)
                : attend_masked(q_BTHe, turned(k_BTKe), turned(v_BTKe), pass);
  }
  at::Tensor result_Rd = share_.ranks.sum(out_(a_Ro));
  if (out_bias_.defined()) result_Rd.add_(out_bias_);
  return result_Rd;
}

at::Tensor DecoderLayer::attend_masked(const at::Tensor& q_BTHe, const at::Tensor& k_BKMe,
                                       const at::Tensor& v_BKMe, const DecoderPass& pass) const {
  const int64_t groups = config_.kv_heads, per_group = config_.group(), tokens = pass.tokens;
  const Mask& mask =
      config_.windowed[index_] ? pass.visibility.windowed : pass.visibility.everywhere;
  if (mask.causal && config_.attention_softcap == 0) return attend_causal(q_BTHe, k_BKMe, v_BKMe);
  // The heads of a group share their keys: to the kernel they are more queries of one head.
  const at::Tensor q_BKRe = q_BTHe.unflatten(2, {groups, per_group})
                                .permute({0, 2, 3, 1, 4})
                                .reshape({pass.batch, groups, per_group * tokens, -1});
  at::Tensor seen_B1RM = mask.seen_B1TM;
  if (seen_B1RM.defined()) seen_B1RM = seen_B1RM.repeat({1, 1, per_group, 1});
  at::Tensor a_BKRe;
  if (config_.attention_softcap > 0) {
    a_BKRe = attend_capped(q_BKRe, k_BKMe, v_BKMe, seen_B1RM, config_.query_scale,
                           config_.attention_softcap);
  } else {
    const auto seen = seen_B1RM.defined() ? std::optional(seen_B1RM) : std::nullopt;
    a_BKRe = at::scaled_dot_product_attention(q_BKRe, k_BKMe, v_BKMe, seen, 0, false,
                                              config_.query_scale);
  }
  return a_BKRe.view({pass.batch, groups, per_group, tokens, -1})
      .permute({0, 3, 1, 2, 4})
      .reshape({pass.batch * tokens, -1});
}

at::Tensor DecoderLayer::attend_causal(const at::Tensor& q_BTHe, const at::Tensor& k_BKMe,
                                       const at::Tensor& v_BKMe) const {
  const auto of_heads = [&](const at::Tensor& x_BKMe) {
    return x_BKMe.unsqueeze(2).expand({-1, -1, config_.group(), -1, -1}).flatten(1, 2);
  };
  const at::Tensor a_BHTe =
      at::scaled_dot_product_attention(q_BTHe.transpose(1, 2), of_heads(k_BKMe), of_heads(v_BKMe),
                                       {}, 0, /*is_causal=*/true, config_.query_scale);
  return a_BHTe.transpose(1, 2).reshape({q_BTHe.size(0) * q_BTHe.size(1), -1});
}

at::Tensor DecoderLayer::attend_next(const at::Tensor& q_BTHe, const DecoderPass& pass) const {
  const KvCache& cache = *pass.cache;
  at::Tensor result_BTHe = at::empty(q_BTHe.sizes(), q_BTHe.options());
  for (int64_t t = 0; t < pass.tokens; ++t) {
    const int64_t end = cache.length() + t + 1;
    at::Tensor begin_B = cache.begin();
    if (config_.windowed[index_] && config_.window > 0 && end > config_.window) {
      begin_B = begin_B.clamp_min(end - config_.window);
    }
    result_BTHe.select(1, t).copy_(attend_step(q_BTHe.select(1, t), cache.keys(index_),
                                               cache.values(index_), begin_B, end,
                                               config_.query_scale, config_.attention_softcap));
  }
  return result_BTHe.view({pass.batch * pass.tokens, -1});
}

at::Tensor DecoderLayer::mlp(const at::Tensor& x_Rd) {
  return share_.ranks.sum(down_(gated(gate_up_(x_Rd), config_.activation)));
}

}  // namespace torchsight
