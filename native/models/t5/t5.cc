#include "models/t5/t5.h"

#include <ATen/ATen.h>

#include <limits>

#include "nn/parameters.h"
#include "nn/relative_bias.h"
#include "runtime/error.h"

namespace torchsight::t5 {
namespace {

constexpr int64_t kMostTokens = 1 << 15;
constexpr double kLowest = -std::numeric_limits<double>::infinity();

std::string tap(size_t layer) {
  return "blocks." + std::to_string(layer);
}

void check_options(const ModuleOptions& options) {
  if (options.group) {
    throw Error(ErrorCode::kUnsupported,
                "expected one process for a model of type t5 but received a group of ranks");
  }
  if (options.dtype == at::kHalf) {
    throw Error(
        ErrorCode::kUnsupported,
        "expected float32, float64 or bfloat16 for the dtype but received float16, in which "
        "T5's feed-forward overflows");
  }
}

}  // namespace

Encoder::Encoder(const Config& config, const ModuleOptions& options)
    : config_(config),
      norm_(make_norm(NormKind::kRms, false, config.norm_eps, config.width, options)) {
  check_options(options);
  tokens_Vd_ = at::empty({config.vocabulary, config.width}, tensor_options(options));
  table_KH_ = at::empty({config.buckets, config.heads}, tensor_options(options));
  blocks_.reserve(config.depth);
  for (int64_t l = 0; l < config.depth; ++l) blocks_.emplace_back(config, options);
  const std::vector<at::ScalarType> masks{at::kLong, at::kBool, at::kFloat};
  const std::string d = std::to_string(config.width);
  add_method({"encode",
              "Features of texts, one for each token.",
              {{"input_ids", {at::kLong}, {"B", "N"}, false, 0},
               {"attention_mask", masks, {"B", "N"}, true, 0}},
              {{"last_hidden_state", {}, {"B", "N", d}, false, 0}},
              {}},
             [this](Call& call, JobContext& context) { return encode(call, context); });
}

std::vector<std::string> Encoder::tap_names() const {
  std::vector<std::string> names{"embeddings"};
  for (size_t l = 0; l < blocks_.size(); ++l) names.push_back(tap(l));
  return names;
}

std::vector<Parameter> Encoder::parameters() {
  std::vector<Parameter> parameters;
  add_parameter(parameters, "shared.weight", tokens_Vd_, normal(1));
  for (size_t l = 0; l < blocks_.size(); ++l) {
    blocks_[l].add_parameters(parameters, "encoder.block." + std::to_string(l),
                              l == 0 ? table_KH_ : at::Tensor());
  }
  add_norm(parameters, "encoder.final_layer_norm", norm_);
  return parameters;
}

void Encoder::check(const at::Tensor& ids_BN) const {
  if (ids_BN.size(0) < 1 || ids_BN.size(1) < 1 || ids_BN.size(1) > kMostTokens) {
    throw Error(ErrorCode::kShape,
                "expected at least one text of 1 to " + std::to_string(kMostTokens) +
                    " tokens for input_ids but received shape " + c10::str(ids_BN.sizes()));
  }
  const auto [least, most] = at::aminmax(ids_BN);
  if (least.item<int64_t>() < 0 || most.item<int64_t>() >= config_.vocabulary) {
    throw Error(ErrorCode::kBadInput,
                "expected ids from 0 to " + std::to_string(config_.vocabulary - 1) +
                    " for input_ids but received " + std::to_string(least.item<int64_t>()) +
                    " to " + std::to_string(most.item<int64_t>()));
  }
}

at::Tensor Encoder::bias(int64_t tokens, const at::Tensor& mask_BN) const {
  const at::Tensor bias_1HNN = relative_bias(table_KH_, tokens, config_.max_distance);
  if (!mask_BN.defined()) return bias_1HNN.contiguous();
  const at::Tensor seen_BN = mask_BN.to(table_KH_.device()).ne(0);
  if (!seen_BN.any(1).all().item<bool>()) {
    throw Error(ErrorCode::kBadInput,
                "expected a token to see in each text for attention_mask but received none");
  }
  return bias_1HNN.masked_fill(seen_BN.logical_not().unsqueeze(1).unsqueeze(1), kLowest);
}

NamedTensors Encoder::encode(Call& call, JobContext& context) {
  const at::Tensor ids_BN = onto(call.input("input_ids"), tokens_Vd_.device());
  check(ids_BN);
  const at::Tensor* mask_BN = find_tensor(call.inputs, "attention_mask");
  const at::Tensor bias_BHNN = bias(ids_BN.size(1), mask_BN ? *mask_BN : at::Tensor());
  at::Tensor x_BNd = at::embedding(tokens_Vd_, ids_BN);
  call.taps.record("embeddings", x_BNd);
  const auto depth = static_cast<double>(blocks_.size());
  for (size_t l = 0; l < blocks_.size(); ++l) {
    context.checkpoint();
    const Timeline::Span span("layer", "layers");
    x_BNd = blocks_[l].forward(std::move(x_BNd), bias_BHNN);
    call.taps.record(tap(l), x_BNd);
    context.progress({static_cast<double>(l + 1), depth, "layers"});
  }
  NamedTensors results{{"last_hidden_state", norm_(x_BNd)}};
  for (NamedTensor& one : call.taps.take()) results.push_back(std::move(one));
  return results;
}

std::unique_ptr<Module> make_t5(const Json& config, const ModuleOptions& options) {
  return std::make_unique<Encoder>(Config::from_json(config), options);
}

}  // namespace torchsight::t5
