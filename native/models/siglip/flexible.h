// The image tower of SigLIP 2's NaFlex models (Tschannen et al., arXiv 2502.14786, section 2.4):
// pictures of any aspect ratio, as rows of patches with padding behind them.
#pragma once

#include <string>
#include <vector>

#include "nn/linear.h"
#include "nn/siglip_trunk.h"
#include "nn/siglip_vision.h"

namespace torchsight::siglip {

/// Patches of pictures.
struct Patches {
  at::Tensor values_BNI;  // [B, N, C p p], row by row, padding behind them
  at::Tensor mask_BN;     // 0 at padding
  at::Tensor shapes_B2;   // rows and columns of each picture, int64
};

class FlexibleTower {
 public:
  FlexibleTower(const SiglipVisionConfig& config, const ModuleOptions& options);

  /// Patches to the same after the last norm, [B, N, d]. Throws `Error(kBadInput)` for shapes that
  /// are not positive or of more patches than there are, and masks that hide all of a picture.
  at::Tensor forward(const Patches& patches, Trace& trace);
  /// What `forward` gave, pooled by the attention head: [B, d].
  at::Tensor pool(const at::Tensor& x_BNd, const Patches& patches);

  std::vector<std::string> tap_names() const { return trunk_.tap_names(); }
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  at::Tensor positions(const at::Tensor& shapes_B2, int64_t tokens) const;
  at::Tensor seen(const Patches& patches) const;

  SiglipVisionConfig config_;
  Linear patches_;
  at::Tensor patches_bias_, positions_Nd_;
  SiglipTrunk trunk_;
};

}  // namespace torchsight::siglip
