#include "nn/decoder/decoder.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

bool wants_integers(const ModuleOptions& options) {
  const std::string weights = options.extra.get("weights", "as loaded");
  if (weights == "int8") return true;
  if (weights == "as loaded") return false;
  throw Error(ErrorCode::kBadInput,
              "expected int8 for the option weights but received \"" + weights + "\"");
}

at::ScalarType activation_dtype(const ModuleOptions& options) {
  if (options.device.is_cpu()) return at::promote_types(options.dtype, at::kFloat);
  return options.dtype;
}

std::string tap(size_t layer) {
  return "blocks." + std::to_string(layer);
}

}  // namespace

Decoder::Decoder(const DecoderConfig& config, const ModuleOptions& options)
    : share_(config.with(options.extra), options),
      activations_(tensor_options(options).dtype(activation_dtype(options))),
      quantized_(wants_integers(options)),
      fixed_steps_(options.device.is_cuda() && !options.group &&
                   options.extra.get("cuda_graph", true)),
      table_(at::empty({share_.own.vocabulary, config.width}, tensor_options(options))),
      norm_(config.width, config.norm_eps, options) {
  // The reference rounds the factor to the type of the table.
  const at::Tensor scale = at::scalar_tensor(std::sqrt(static_cast<double>(config.width)));
  embedding_scale_ = scale.to(options.dtype).item<double>();
  if (!config.tied_head) {
    head_ =
        CompactLinear(at::empty({share_.own.vocabulary, config.width}, tensor_options(options)));
  }
  layers_.reserve(config.depth);
  for (int64_t l = 0; l < config.depth; ++l) layers_.emplace_back(share_, l, options);
}

std::vector<std::string> Decoder::tap_names() const {
  std::vector<std::string> names{"embeddings"};
  for (size_t l = 0; l < layers_.size(); ++l) names.push_back(tap(l));
  names.emplace_back("norm");
  return names;
}

void Decoder::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix,
                             const std::string& head) {
  const Init small = normal(0.02);
  const int64_t vocabulary = config().vocabulary;
  const Part rows{share_.cuts_vocabulary() ? share_.ranks.cut(0, vocabulary) : std::nullopt,
                  vocabulary};
  add_parameter(parameters, prefix + "embed_tokens.weight", plain_memory(table_), small, rows.cut,
                rows.full_length);
  for (size_t l = 0; l < layers_.size(); ++l) {
    layers_[l].add_parameters(parameters, prefix + "layers." + std::to_string(l));
  }
  norm_.add_parameters(parameters, prefix + "norm");
  if (config().tied_head) return;
  add_parameter(parameters, head + ".weight", plain_memory(head_), small, rows.cut,
                rows.full_length);
}

void Decoder::loaded() {
  if (!quantized_) return;
  for (DecoderLayer& layer : layers_) layer.quantize();
  table_.quantize();
  if (!config().tied_head) head_.quantize();
}

void check_ids(const at::Tensor& ids_BT, int64_t vocabulary) {
  if (ids_BT.numel() == 0) {
    throw Error(ErrorCode::kShape, "expected at least one token for input_ids but received none");
  }
  const auto [least, most] = at::aminmax(ids_BT);
  if (least.item<int64_t>() >= 0 && most.item<int64_t>() < vocabulary) return;
  throw Error(ErrorCode::kBadInput, "expected ids from 0 to " + std::to_string(vocabulary - 1) +
                                        " for input_ids but received " +
                                        std::to_string(least.item<int64_t>()) + " to " +
                                        std::to_string(most.item<int64_t>()));
}

at::Tensor Decoder::embed(const at::Tensor& ids_BT) const {
  at::Tensor ids_R = ids_BT.flatten().to(activations_.device());
  at::Tensor rows_Rd;
  if (share_.cuts_vocabulary()) {
    // Each row comes from the rank that holds it, and nothing from the others.
    const int64_t held = share_.own.vocabulary;
    ids_R = ids_R - share_.ranks.rank() * held;
    const at::Tensor elsewhere_R1 = ids_R.lt(0).logical_or_(ids_R.ge(held)).unsqueeze(1);
    rows_Rd = table_.rows(ids_R.clamp(0, held - 1)).masked_fill_(elsewhere_R1, 0);
    rows_Rd = share_.ranks.sum(std::move(rows_Rd));
  } else {
    rows_Rd = table_.rows(ids_R);
  }
  return rows_Rd.to(activations_).mul_(embedding_scale_).unflatten(0, ids_BT.sizes());
}

at::Tensor Decoder::through(const at::Tensor& x_BTd, const DecoderPass& pass, Trace& trace) {
  trace.taps.record("embeddings", x_BTd);
  at::Tensor x_Rd = x_BTd.flatten(0, 1);
  Votes votes = share_.ranks.votes(trace.context);
  for (size_t l = 0; l < layers_.size(); ++l) {
    // Single tokens are quick, and ranks need a message to agree: whoever decodes asks between
    // them.
    if (pass.tokens > 1) votes.cast();
    const Timeline::Span span("layer", "layers");
    x_Rd = layers_[l].forward(std::move(x_Rd), pass);
    if (trace.taps.any()) trace.taps.record(tap(l), x_Rd.unflatten(0, {pass.batch, pass.tokens}));
    if (trace.layers > 0) trace.context.progress({++trace.done, trace.layers, "layers"});
  }
  votes.count();
  const at::Tensor normed_BTd = norm_(x_Rd).unflatten(0, {pass.batch, pass.tokens});
  trace.taps.record("norm", normed_BTd);
  return normed_BTd;
}

at::Tensor Decoder::forward(const at::Tensor& x_BTd, const at::Tensor& positions_BT,
                            const Visibility& visibility, KvCache* cache, Trace& trace) {
  const int64_t batch = x_BTd.size(0), tokens = x_BTd.size(1);
  const at::Tensor normed_BTd =
      through(x_BTd, {batch, tokens, rotation(positions_BT), visibility, cache}, trace);
  if (cache) cache->advance(tokens);
  return normed_BTd;
}

at::Tensor Decoder::forward_at(const at::Tensor& x_B1d, const at::Tensor& positions_B1,
                               const Visibility& visibility, KvCache& cache,
                               const at::Tensor& place_1, Trace& trace) {
  return through(x_B1d, {x_B1d.size(0), 1, rotation(positions_B1), visibility, &cache, place_1},
                 trace);
}

Rotation Decoder::rotation(const at::Tensor& positions_BT) const {
  return make_rotation(positions_BT, config().head_width, config().rope_theta,
                       activations_.dtype().toScalarType());
}

at::Tensor Decoder::logits(const at::Tensor& x_Rd) {
  at::Tensor logits_RV = (config().tied_head ? table_ : head_)(x_Rd);
  if (share_.cuts_vocabulary()) logits_RV = share_.ranks.join_columns(logits_RV);
  if (config().final_softcap > 0) {
    logits_RV.mul_(1 / config().final_softcap).tanh_().mul_(config().final_softcap);
  }
  return logits_RV;
}

}  // namespace torchsight
