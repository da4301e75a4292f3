// One layer of T5's encoder: x += attention(norm(x)), x += feed-forward(norm(x)), without any bias
// but that of relative positions.
#pragma once

#include <string>
#include <vector>

#include "models/t5/config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "runtime/module.h"

namespace torchsight::t5 {

class Block {
 public:
  Block(const Config& config, const ModuleOptions& options);

  /// [B, N, d] to the same. `bias_BHNN` is added to the logits, which are not scaled: relative
  /// positions, and minus infinity where a token is not seen. May use the memory of `x`.
  at::Tensor forward(at::Tensor x_BNd, const at::Tensor& bias_BHNN);

  /// Adds the parameters under transformers' names; `table_KH` is that of relative positions, which
  /// the first layer holds for all.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix,
                      const at::Tensor& table_KH);

 private:
  Config config_;
  Norm norm1_, norm2_;
  FusedLinear qkv_, in_;
  Linear o_, wo_;
};

}  // namespace torchsight::t5
