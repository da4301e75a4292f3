// What the vision towers of SigLIP and SigLIP 2 share once patches are embedded: the layers, the
// norm after them, and the pooling head.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/attention_pool.h"
#include "nn/encoder.h"
#include "nn/norm.h"

namespace torchsight {

class SiglipTrunk {
 public:
  /// With `head`, tokens can be pooled.
  SiglipTrunk(const EncoderConfig& config, bool head, const ModuleOptions& options);

  /// Embedded patches [B, N, d] to the same after the layers and their norm. `mask` [B, N], where
  /// defined, is true at patches that may be looked at. Uses the memory of `x`.
  at::Tensor forward(const at::Tensor& x_BNd, Trace& trace, const at::Tensor& mask_BN = {});
  /// What `forward` gave, pooled: [B, d]. Throws `Error(kUnsupported)` without a head.
  at::Tensor pool(const at::Tensor& x_BNd, const at::Tensor& mask_BN = {});

  /// vision.embeddings and vision.blocks.{l}, all [B, N, d].
  std::vector<std::string> tap_names() const { return layers_.tap_names(); }
  /// Adds `prefix`encoder, post_layernorm and head.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  Encoder layers_;
  Norm norm_;
  std::optional<AttentionPool> head_;
};

}  // namespace torchsight
