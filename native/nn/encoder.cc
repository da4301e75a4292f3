#include "nn/encoder.h"

#include <ATen/ATen.h>

namespace torchsight {

Encoder::Encoder(const EncoderConfig& config, std::string name, const ModuleOptions& options)
    : name_(std::move(name)) {
  layers_.reserve(config.depth);
  for (int64_t l = 0; l < config.depth; ++l) layers_.emplace_back(config, options);
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
  const int64_t batch = x_BNd.size(0), tokens = x_BNd.size(1);
  trace.taps.record(name_ + ".embeddings", x_BNd);
  at::Tensor x_Rd = x_BNd.flatten(0, 1);
  for (size_t l = 0; l < layers_.size(); ++l) {
    trace.context.checkpoint();
    x_Rd = layers_[l].forward(std::move(x_Rd), batch, mask);
    trace.taps.record(tap(l), x_Rd.unflatten(0, {batch, tokens}));
    trace.context.progress({++trace.done, trace.layers, "layers"});
  }
  return x_Rd.unflatten(0, {batch, tokens});
}

}  // namespace torchsight
