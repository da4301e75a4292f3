// Pooling by attention: one learnt query over all tokens, then an MLP (the MAP head of Zhai et al.,
// "Scaling Vision Transformers", arXiv 2106.04560, section 3.2; parameters as transformers has
// them).
#pragma once

#include <string>
#include <vector>

#include "nn/encoder_config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "runtime/module.h"

namespace torchsight {

class AttentionPool {
 public:
  AttentionPool(const EncoderConfig& config, const ModuleOptions& options);

  /// Tokens [B, N, d] to [B, d]. `mask` [B, N], where defined, is true at tokens that count.
  at::Tensor operator()(const at::Tensor& x_BNd, const at::Tensor& mask_BN = {});

  /// Adds `prefix`.probe, .attention, .layernorm and .mlp.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  at::Tensor attend(const at::Tensor& x_BNd, const at::Tensor& mask_BN) const;

  EncoderConfig config_;
  at::Tensor probe_11d_, in_3dd_, in_bias_3d_;
  Linear out_, fc2_;
  at::Tensor out_bias_, fc2_bias_;
  FusedLinear fc1_;
  Norm norm_;
};

}  // namespace torchsight
