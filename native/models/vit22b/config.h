// config.json of model_type vit22b, checked. Field names and defaults are the checkpoint contract's
// (lib/models/vit22b/README.md).
#pragma once

#include <cstdint>

#include "io/json.h"
#include "nn/activation.h"
#include "nn/norm.h"

namespace torchsight::vit22b {

enum class BlockKind { kParallel, kSequential };
enum class Pooling { kMap, kMean, kToken, kNone };
enum class PositionResize { kBilinear, kBicubicAntialias };
enum class Loss { kSigmoid, kSoftmax };

struct Config {
  int64_t width = 0;   // hidden_size, d
  int64_t depth = 0;   // num_hidden_layers, L
  int64_t heads = 0;   // num_attention_heads, H
  int64_t hidden = 0;  // intermediate_size, F
  int64_t image_height = 224;
  int64_t image_width = 224;
  int64_t patch = 14;
  int64_t channels = 3;
  BlockKind block = BlockKind::kParallel;
  NormKind norm = NormKind::kRms;
  bool norm_bias = false;
  double norm_eps = 1e-6;
  NormKind qk_norm = NormKind::kLayerNorm;
  bool qk_scale_per_head = false;
  bool qkv_bias = false;
  bool attention_out_bias = true;
  bool mlp_bias = true;
  Activation activation = Activation::kGeluTanh;
  Pooling pooling = Pooling::kMap;
  bool class_token = false;
  PositionResize position_resize = PositionResize::kBilinear;
  int64_t labels = 0;
  Loss loss = Loss::kSigmoid;
  double head_bias = 0;  // that a new head begins with

  int64_t head_width() const { return width / heads; }
  int64_t grid_height() const { return image_height / patch; }
  int64_t grid_width() const { return image_width / patch; }

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::vit22b
