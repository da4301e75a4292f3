// What follows the last layer: pooling of the tokens to one vector, and the classifier.
#pragma once

#include <vector>

#include "models/vit22b/config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "runtime/module.h"

namespace torchsight::vit22b {

/// The multi-head attention pooling (MAP) head of arXiv 2106.04560, as in big_vision's
/// models/vit.py: one learned probe attends to all tokens, then an MLP with residual.
class MapHead {
 public:
  MapHead(const Config& config, const ModuleOptions& options);
  /// [B, N, d] -> [B, d].
  at::Tensor forward(const at::Tensor& x_BNd);
  void add_parameters(std::vector<Parameter>& parameters);

 private:
  Config config_;
  at::Tensor probe_;
  FusedLinear kv_, fc1_;
  Linear q_, out_, fc2_;
  at::Tensor q_bias_, out_bias_, fc2_bias_;
  Norm norm_;
};

class Head {
 public:
  Head(const Config& config, const ModuleOptions& options);

  bool pools() const { return config_.pooling != Pooling::kNone; }
  bool classifies() const { return pools() && config_.labels > 0; }
  /// [B, N, d] after the final norm -> [B, d], by the mean of all tokens, the class token or MAP.
  at::Tensor pool(const at::Tensor& x_BNd);
  /// [B, d] -> logits [B, labels].
  at::Tensor classify(const at::Tensor& pooled_Bd);
  /// [B, N, d] -> [B, labels.size(), N]: how much each token adds to the logits of `labels`, by the
  /// gradient times the token. Where the mean is pooled, the mean over N and the bias are the
  /// logit.
  at::Tensor explain(const at::Tensor& x_BNd, const std::vector<int64_t>& labels);
  void add_parameters(std::vector<Parameter>& parameters);

 private:
  Config config_;
  std::optional<MapHead> map_;
  Linear classifier_;
  at::Tensor classifier_bias_;
};

}  // namespace torchsight::vit22b
