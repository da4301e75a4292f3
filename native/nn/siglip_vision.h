// The image tower of SigLIP (Zhai et al., arXiv 2303.15343): a plain vision transformer without a
// class token.
#pragma once

#include <string>
#include <vector>

#include "nn/encoder.h"
#include "runtime/config_reader.h"

namespace torchsight {

/// config.json of model_type siglip_vision_model. Field names and defaults are transformers'.
struct SiglipVisionConfig {
  EncoderConfig encoder;
  int64_t image = 224;  // pixels of a side
  int64_t patch = 16;
  int64_t channels = 3;
  bool head = true;  // whether a head pools the patches into one vector

  /// Patches along one side of the position table.
  int64_t grid() const { return image / patch; }

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static SiglipVisionConfig from_json(const ConfigReader& config);
};

/// Positions for pictures of other sizes than the table's.
enum class PositionResize {
  kNone,     // only the table's own size
  kBicubic,  // transformers' interpolate_pos_encoding
  kLinear,   // big_vision's, whose corners stay where they are
};

class SiglipVisionTower {
 public:
  SiglipVisionTower(const SiglipVisionConfig& config, const ModuleOptions& options);

  /// Pictures [B, C, height, width] to their patches after the last norm, [B, N, d]. Throws
  /// `Error(kShape)` where there are no positions for their size.
  at::Tensor forward(const at::Tensor& pixels_BCHW, PositionResize resize, Trace& trace);

  std::vector<std::string> tap_names() const { return layers_.tap_names(); }
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  at::Tensor positions(int64_t rows, int64_t columns, bool square, PositionResize resize) const;

  SiglipVisionConfig config_;
  Linear patches_;
  at::Tensor patch_bias_d_, positions_Nd_;
  Norm post_norm_;
  Encoder layers_;
};

}  // namespace torchsight
