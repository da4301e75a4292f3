// The vision tower of SigLIP for pictures of one size: Zhai et al., "Sigmoid Loss for Language
// Image Pre-Training" (arXiv 2303.15343). PaliGemma looks through it too.
#pragma once

#include <string>
#include <vector>

#include "nn/linear.h"
#include "nn/siglip_trunk.h"

namespace torchsight {

struct SiglipVisionConfig {
  EncoderConfig encoder;
  int64_t image = 224;  // pixels of a side; need not be a multiple of the patch
  int64_t patch = 16;
  int64_t channels = 3;
  bool head = true;  // vision_use_head: whether patches can be pooled

  /// Patches along one side of the position table.
  int64_t grid() const { return image / patch; }
  /// The number of weights.
  double weights() const;

  /// The fields and defaults of transformers' SiglipVisionConfig. Throws `Error(kBadConfig)`.
  static SiglipVisionConfig from_json(const ConfigReader& config);
};

/// Positions for pictures of other sizes than the table's.
enum class PositionResize {
  kNone,     // only the table's own size
  kBicubic,  // as transformers' interpolate_pos_encoding
  kLinear,   // between the corners, as big_vision's resample_posemb (scipy.ndimage.zoom, order 1)
};

class SiglipVisionTower {
 public:
  SiglipVisionTower(const SiglipVisionConfig& config, const ModuleOptions& options);

  /// Pictures [B, C, height, width] to their patches row by row, [B, N, d], after the last norm.
  /// Pixels beyond the last whole patch are not seen. Throws `Error(kShape)` where `resize` gives
  /// no positions for their size.
  at::Tensor forward(const at::Tensor& pixels_BCHW, PositionResize resize, Trace& trace);
  /// What `forward` gave, pooled by the attention head: [B, d].
  at::Tensor pool(const at::Tensor& x_BNd) { return trunk_.pool(x_BNd); }

  /// vision.embeddings and vision.blocks.{l}, all [B, N, d].
  std::vector<std::string> tap_names() const { return trunk_.tap_names(); }
  /// Adds `prefix`embeddings, encoder, post_layernorm and head, named as transformers does.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  at::Tensor positions(int64_t rows, int64_t columns, PositionResize resize) const;

  SiglipVisionConfig config_;
  Linear patches_;
  at::Tensor patches_bias_, positions_Nd_;
  SiglipTrunk trunk_;
};

/// A table of positions [N, d] of a square grid, resized to [rows * columns, d].
at::Tensor resize_positions(const at::Tensor& positions_Nd, int64_t rows, int64_t columns,
                            PositionResize resize);

}  // namespace torchsight
