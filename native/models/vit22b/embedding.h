// Pictures to tokens: patches, a linear layer, learned positions for any grid.
#pragma once

#include <vector>

#include "models/vit22b/config.h"
#include "nn/linear.h"
#include "runtime/module.h"

namespace torchsight::vit22b {

class Embedding {
 public:
  Embedding(const Config& config, const ModuleOptions& options);

  /// Pictures [B, C, height, width] to tokens [B, N, d], the class token first where there is one.
  /// Pixels right of and below the last whole patch are not seen, as in a convolution without
  /// padding. Throws `Error(kShape)` where not one whole patch fits.
  at::Tensor forward(const at::Tensor& pixels_BCHW);

  void add_parameters(std::vector<Parameter>& parameters);

 private:
  at::Tensor positions(int64_t grid_height, int64_t grid_width) const;

  Config config_;
  Linear patches_;
  at::Tensor patch_bias_, positions_Nd_, class_token_;
};

}  // namespace torchsight::vit22b
