// The image tower: a CLIP vision transformer without pooling, whose every patch is a candidate
// object (arXiv 2205.06230, section 3).
#pragma once

#include <vector>

#include "models/owlvit/config.h"
#include "nn/encoder.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace torchsight::owlvit {

/// Positions for pictures of other sizes than the table's.
enum class Positions {
  kTable,        // only the table's own size
  kInterpolate,  // bicubic, as transformers' interpolate_pos_encoding
  kTruncate,     // the top left of the table, as scenic for pictures padded at right and bottom
};

class VisionTower {
 public:
  VisionTower(const Config& config, const ModuleOptions& options);

  /// Pictures [B, C, height, width] to the feature map [B, h, w, d]. Throws `Error(kShape)` where
  /// `positions` has none for their size.
  at::Tensor forward(const at::Tensor& pixels_BCHW, Positions positions, Trace& trace);

  std::vector<std::string> tap_names() const { return layers_.tap_names(); }
  void add_parameters(std::vector<Parameter>& parameters);

 private:
  at::Tensor positions(int64_t rows, int64_t columns, bool square, Positions kind) const;

  Config config_;
  Linear patches_;
  at::Tensor class_token_d_, positions_Nd_;
  Norm pre_norm_, post_norm_, merged_norm_;
  Encoder layers_;
};

}  // namespace torchsight::owlvit
