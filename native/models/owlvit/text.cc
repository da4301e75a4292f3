#include "models/owlvit/text.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight::owlvit {
namespace {

// Where the features before normalisation are recorded.
constexpr const char* kFeatures = "text_features";

// True where a token may look: at itself and at what stands before it, but at no padding.
at::Tensor causal_mask(const at::Tensor& ids_NL, const at::Tensor& attention_mask_NL) {
  const int64_t length = ids_NL.size(1);
  const at::Tensor causal_LL = at::ones({length, length}, ids_NL.options().dtype(at::kBool)).tril();
  if (!attention_mask_NL.defined()) return causal_LL;
  const at::Tensor real_N11L = attention_mask_NL.ne(0).unsqueeze(1).unsqueeze(1);
  return causal_LL.logical_and(real_N11L);
}

}  // namespace

TextTower::TextTower(const Config& config, const ModuleOptions& options)
    : config_(config),
      final_norm_(
          make_norm(NormKind::kLayerNorm, true, config.text.norm_eps, config.text.width, options)),
      layers_(config.text, "text", options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.text.width;
  tokens_Vd_ = at::empty({config.vocabulary, d}, memory);
  positions_Ld_ = at::empty({config.context, d}, memory);
  projection_ = Linear(at::empty({config.embedding, d}, memory));
}

std::vector<std::string> TextTower::tap_names() const {
  std::vector<std::string> names = layers_.tap_names();
  names.emplace_back(kFeatures);
  return names;
}

void TextTower::add_parameters(std::vector<Parameter>& parameters) {
  const std::string prefix = config_.model_type + ".text_model.";
  const Init small = normal(0.02);
  add_parameter(parameters, prefix + "embeddings.token_embedding.weight", tokens_Vd_, small);
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Ld_, small);
  layers_.add_parameters(parameters, prefix + "encoder");
  add_norm(parameters, prefix + "final_layer_norm", final_norm_);
  add_linear(parameters, config_.model_type + ".text_projection", projection_, {},
             normal(1 / std::sqrt(static_cast<double>(config_.text.width))));
}

void TextTower::check(const at::Tensor& ids_NL) const {
  const int64_t length = ids_NL.size(1);
  if (ids_NL.size(0) < 1 || length < 1 || length > config_.context) {
    throw Error(ErrorCode::kShape,
                "expected at least one text of 1 to " + std::to_string(config_.context) +
                    " tokens for input_ids but received shape [" + std::to_string(ids_NL.size(0)) +
                    ", " + std::to_string(length) + "]");
  }
  const auto [least, most] = at::aminmax(ids_NL);
  if (least.item<int64_t>() < 0 || most.item<int64_t>() >= config_.vocabulary) {
    throw Error(ErrorCode::kBadInput,
                "expected ids from 0 to " + std::to_string(config_.vocabulary - 1) +
                    " for input_ids but received " + std::to_string(least.item<int64_t>()) +
                    " to " + std::to_string(most.item<int64_t>()));
  }
}

at::Tensor TextTower::forward(const at::Tensor& given_NL, const at::Tensor& given_mask_NL,
                              Trace& trace) {
  check(given_NL);
  const at::Device device = tokens_Vd_.device();
  const at::Tensor ids_NL = onto(given_NL, device);
  const at::Tensor attention_mask_NL =
      given_mask_NL.defined() ? given_mask_NL.to(device) : given_mask_NL;
  const at::Tensor embedded_NLd =
      at::embedding(tokens_Vd_, ids_NL) + positions_Ld_.narrow(0, 0, ids_NL.size(1));
  const at::Tensor x_NLd =
      layers_.forward(embedded_NLd, trace, causal_mask(ids_NL, attention_mask_NL));
  const at::Tensor rows_N = at::arange(ids_NL.size(0), ids_NL.options());
  const at::Tensor pooled_Nd = final_norm_(x_NLd.index({rows_N, ids_NL.argmax(1)}));
  at::Tensor features_NE = projection_(pooled_Nd);
  trace.taps.record(kFeatures, features_NE);
  features_NE = features_NE.to(at::promote_types(features_NE.scalar_type(), at::kFloat));
  return features_NE / at::linalg_vector_norm(features_NE, 2, {-1}, /*keepdim=*/true);
}

}  // namespace torchsight::owlvit
