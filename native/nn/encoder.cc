#include "nn/encoder.h"

#include <ATen/ATen.h>

#include "nn/recompute.h"

namespace torchsight {

Encoder::Encoder(const EncoderConfig& config, std::string name, const ModuleOptions& options)
    : name_(std::move(name)), ranks_(options) {
  ranks_.check_divisible(config.heads, "num_attention_heads");
  ranks_.check_divisible(config.hidden, "intermediate_size");
  layers_.reserve(config.depth);
  for (int64_t l = 0; l < config.depth; ++l) layers_.emplace_back(config, ranks_, options);
}

std::vector<std::string> Encoder::tap_names() const {
  std::vector<std::string> names{name_ + ".embeddings"};
  for (size_t l = 0; l < layers_.size(); ++l) names.push_back(tap(l));
  return names;
}

void Encoder::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  for (size_t l = 0; l < layers_.size(); ++l) {
    layers_[l].add_parameters(parameters, prefix + ".layers." + std::to_string(l));
  }
}

at::Tensor Encoder::forward(const at::Tensor& x_BNd, Trace& trace, const at::Tensor& mask) {
  const Extent extent{x_BNd.size(0), x_BNd.size(1)};
  trace.taps.record(name_ + ".embeddings", x_BNd);
  at::Tensor x_Rd = ranks_.split(x_BNd);
  Votes votes = ranks_.votes(trace.context);
  for (size_t l = 0; l < layers_.size(); ++l) {
    votes.cast();
    const Timeline::Span span("layer", "layers");
    const auto layer = [&own = layers_[l], extent, mask](at::Tensor x) {
      return own.forward(std::move(x), extent, mask);
    };
    x_Rd = trace.recompute ? recomputed(std::move(x_Rd), layer, layer) : layer(std::move(x_Rd));
    if (trace.taps.wants(tap(l))) trace.taps.record(tap(l), ranks_.join(x_Rd, extent));
    trace.context.progress({++trace.done, trace.layers, "layers"});
  }
  votes.count();
  return ranks_.join(x_Rd, extent);
}

}  // namespace torchsight
