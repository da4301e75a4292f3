// The heads over the feature map: where each patch's object is, whether there is one, and how well
// it fits a query.
#pragma once

#include <vector>

#include "models/owlvit/config.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "runtime/module.h"

namespace torchsight::owlvit {

/// Two hidden layers of the width of the features, then `out` numbers.
class MlpHead {
 public:
  MlpHead(const Config& config, int64_t out, const ModuleOptions& options);

  /// Features [R, d] to [R, out].
  at::Tensor operator()(const at::Tensor& features_Rd);
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name, Init last);

 private:
  FusedLinear dense0_, dense1_;
  Linear dense2_;
  at::Tensor dense2_bias_;
};

/// What boxes are before anything is learnt, as logits of (cx, cy, w, h): [h w, 4], float32. The
/// centre starts at a cell's bottom right corner, the size at one cell.
at::Tensor box_bias(int64_t rows, int64_t columns, BoxBias kind, const at::Device& device);

/// What the class head makes of the patches alone. Any query costs one product with it.
struct ClassFeatures {
  at::Tensor embeds_BPE;  // not normalised: image queries are made of these
  at::Tensor shift_BP;
  at::Tensor scale_BP;
};

class ClassHead {
 public:
  ClassHead(const Config& config, const ModuleOptions& options);

  /// Features [B, P, d] to float32 (float64 of float64).
  ClassFeatures operator()(const at::Tensor& features_BPd);
  void add_parameters(std::vector<Parameter>& parameters);

 private:
  FusedLinear dense_;  // [class embedding | shift | scale]
};

/// Embeddings [..., E] over their length + 1e-6.
at::Tensor normalized(const at::Tensor& embeds);

/// Logits [B, P, Q] of queries [B, Q, E]: (cosine + shift) scale. Where `mask_BQ` is given and
/// false, the least number.
at::Tensor query_logits(const ClassFeatures& features, const at::Tensor& queries_BQE,
                        const at::Tensor& mask_BQ = {});

}  // namespace torchsight::owlvit
