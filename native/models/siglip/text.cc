#include "models/siglip/text.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight::siglip {

TextTower::TextTower(const TextConfig& config, const ModuleOptions& options)
    : config_(config),
      norm_(make_norm(NormKind::kLayerNorm, true, config.encoder.norm_eps, config.encoder.width,
                      options)),
      layers_(config.encoder, "text", options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.encoder.width;
  tokens_Vd_ = at::empty({config.vocabulary, d}, memory);
  positions_Ld_ = at::empty({config.context, d}, memory);
  head_ = Linear(at::empty({config.projection, d}, memory));
  head_bias_ = at::empty({config.projection}, memory);
}

void TextTower::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  const Init narrow = normal(1 / std::sqrt(static_cast<double>(config_.encoder.width)));
  add_parameter(parameters, prefix + "embeddings.token_embedding.weight", tokens_Vd_, narrow);
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Ld_,
                normal(0.01));
  layers_.add_parameters(parameters, prefix + "encoder");
  add_norm(parameters, prefix + "final_layer_norm", norm_);
  add_linear(parameters, prefix + "head", head_, head_bias_, {Init::Kind::kLecunNormal});
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

at::Tensor TextTower::forward(const at::Tensor& given_NL, const at::Tensor& mask_NL, Trace& trace) {
  check(given_NL);
  const at::Device device = tokens_Vd_.device();
  const at::Tensor ids_NL = onto(given_NL, device);
  const at::Tensor x_NLd =
      at::embedding(tokens_Vd_, ids_NL) + positions_Ld_.narrow(0, 0, ids_NL.size(1));
  at::Tensor seen_N11L;
  if (mask_NL.defined()) {
    const at::Tensor seen_NL = mask_NL.to(device).ne(0);
    if (!seen_NL.any(1).all().item<bool>()) {
      throw Error(ErrorCode::kBadInput,
                  "expected a token to see in each text for attention_mask but received none");
    }
    seen_N11L = seen_NL.unsqueeze(1).unsqueeze(1);
  }
  return norm_(layers_.forward(x_NLd, trace, seen_N11L));
}

at::Tensor TextTower::pool(const at::Tensor& x_NLd) {
  return head_(x_NLd.select(1, x_NLd.size(1) - 1).contiguous(), head_bias_);
}

}  // namespace torchsight::siglip
