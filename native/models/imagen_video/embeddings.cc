#include "models/imagen_video/embeddings.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "nn/parameters.h"

namespace torchsight::imagen_video {
namespace {

constexpr double kNumbers = 1000, kMostLogSnr = 20, kLongest = 10'000;
constexpr double kNormEps = 1e-5;

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight_D, const at::Tensor& bias_D) {
  return at::layer_norm(x, {x.size(-1)}, weight_D, bias_D, kNormEps);
}

}  // namespace

at::Tensor noise_number(const at::Tensor& logsnr_B) {
  const at::Tensor within_B = logsnr_B.to(at::kDouble).clamp(-kMostLogSnr, kMostLogSnr);
  return at::atan(at::exp(within_B / -2)) * (kNumbers / (std::numbers::pi / 2));
}

NumberEmbedding::NumberEmbedding(const Config& config, bool zero, const ModuleOptions& options)
    : dim_(config.dim),
      zero_(zero),
      first_({config.embedding(), config.dim}, true, options),
      second_({config.embedding(), config.embedding()}, true, options) {}

void NumberEmbedding::add_parameters(std::vector<Parameter>& parameters,
                                     const std::string& prefix) const {
  first_.add_parameters(parameters, prefix + ".0");
  second_.add_parameters(parameters, prefix + ".1", zero_);
}

at::Tensor NumberEmbedding::forward(const at::Tensor& number_B) const {
  const int64_t half = dim_ / 2;
  const at::Tensor place_K = at::arange(half, at::kDouble) / static_cast<double>(half - 1);
  const at::Tensor rate_K = at::exp(place_K * -std::log(kLongest));
  const at::Tensor angle_BK = number_B.to(at::kCPU, at::kDouble).unsqueeze(1) * rate_K;
  const at::Tensor waves_Bd = at::cat({angle_BK.sin(), angle_BK.cos()}, 1);
  return second_.linear(at::silu(first_.linear(waves_Bd.to(first_.weight.options()))));
}

TextEmbedding::TextEmbedding(const Config& config, const ModuleOptions& options)
    : heads_(std::max<int64_t>(1, config.context / config.head)),
      projection_({config.context, config.text_width}, true, options),
      q_({config.context, config.context}, true, options),
      k_({config.context, config.context}, true, options),
      v_({config.context, config.context}, true, options),
      first_({config.embedding(), config.context}, true, options),
      second_({config.embedding(), config.embedding()}, true, options) {
  for (at::Tensor* vector :
       {&norm_D_, &norm_bias_D_, &pool_norm_D_, &pool_norm_bias_D_, &null_D_, &position_D_}) {
    *vector = at::empty({config.context}, tensor_options(options));
  }
}

void TextEmbedding::add_parameters(std::vector<Parameter>& parameters,
                                   const std::string& prefix) const {
  const Init narrow = normal(1 / std::sqrt(static_cast<double>(null_D_.size(0))));
  projection_.add_parameters(parameters, prefix + ".projection");
  add_parameter(parameters, prefix + ".norm.weight", norm_D_, kOnes);
  add_parameter(parameters, prefix + ".norm.bias", norm_bias_D_, kZeros);
  add_parameter(parameters, prefix + ".null", null_D_, narrow);
  add_parameter(parameters, prefix + ".pool.position", position_D_, narrow);
  q_.add_parameters(parameters, prefix + ".pool.q");
  k_.add_parameters(parameters, prefix + ".pool.k");
  v_.add_parameters(parameters, prefix + ".pool.v");
  add_parameter(parameters, prefix + ".pool.norm.weight", pool_norm_D_, kOnes);
  add_parameter(parameters, prefix + ".pool.norm.bias", pool_norm_bias_D_, kZeros);
  first_.add_parameters(parameters, prefix + ".pool.0");
  second_.add_parameters(parameters, prefix + ".pool.1");
}

TextContext TextEmbedding::context(int64_t batch, const at::Tensor& text_BLW,
                                   const at::Tensor& mask_BL) const {
  const at::Tensor null_B1D = null_D_.expand({batch, 1, null_D_.size(0)});
  const at::Tensor always_B1 =
      at::ones({batch, 1}, at::TensorOptions().dtype(at::kBool).device(null_D_.device()));
  if (!text_BLW.defined()) return {null_B1D, always_B1};
  const at::Tensor tokens_BLD =
      layer_norm(projection_.linear(text_BLW.to(null_D_.options())), norm_D_, norm_bias_D_);
  const at::Tensor seen_BL = mask_BL.defined() ? mask_BL.to(null_D_.device()).ne(0)
                                               : always_B1.expand({batch, text_BLW.size(1)});
  return {at::cat({null_B1D, tokens_BLD}, 1), at::cat({always_B1, seen_BL}, 1)};
}

at::Tensor TextEmbedding::pooled(const TextContext& context) const {
  const at::Tensor seen_BL1 = context.seen_BL.unsqueeze(2).to(context.tokens_BLD.scalar_type());
  const at::Tensor mean_B1D = (context.tokens_BLD * seen_BL1).sum(1, true) / seen_BL1.sum(1, true);
  const at::Tensor query_B1D = mean_B1D + position_D_;
  const at::Tensor all_BMD = at::cat({query_B1D, context.tokens_BLD}, 1);
  // The query is always seen, as the token before the text is.
  const at::Tensor seen_BM = at::cat({context.seen_BL.narrow(1, 0, 1), context.seen_BL}, 1);
  const auto heads = [&](const at::Tensor& x) {
    return x.unflatten(2, {heads_, -1}).transpose(1, 2);
  };
  const at::Tensor a_BH1e = at::scaled_dot_product_attention(
      heads(q_.linear(query_B1D)), heads(k_.linear(all_BMD)), heads(v_.linear(all_BMD)),
      seen_BM.unsqueeze(1).unsqueeze(1));
  const at::Tensor pooled_BD =
      layer_norm(a_BH1e.transpose(1, 2).flatten(1), pool_norm_D_, pool_norm_bias_D_);
  return second_.linear(at::silu(first_.linear(pooled_BD)));
}

}  // namespace torchsight::imagen_video
