// How a call goes through the layers of a tower: a point to cancel at before each, progress and
// taps after it.
#pragma once

#include <string>
#include <vector>

#include "nn/encoder_layer.h"

namespace torchsight {

/// What a call wants of the layers on its way, over all the towers that it runs.
struct Trace {
  Taps& taps;
  JobContext& context;
  double layers;  // of the whole call
  double done = 0;
  bool recompute = false;  // as `Call::recompute`
};

/// A tower's layers.
class Encoder {
 public:
  /// Layers are shared by the ranks of `options.group`, in its layout: see `TensorParallel`. Throws
  /// `Error(kBadConfig)` where heads or hidden units do not divide by the ranks.
  Encoder(const EncoderConfig& config, std::string name, const ModuleOptions& options);

  /// [B, N, d] to the same, after all layers. `mask` as of `EncoderLayer`. Records the taps
  /// `name`.embeddings and `name`.blocks.{l}.
  at::Tensor forward(const at::Tensor& x_BNd, Trace& trace, const at::Tensor& mask = {});

  std::vector<std::string> tap_names() const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  std::string tap(size_t layer) const { return name_ + ".blocks." + std::to_string(layer); }

  std::string name_;
  TensorParallel ranks_;
  std::vector<EncoderLayer> layers_;
};

}  // namespace torchsight
