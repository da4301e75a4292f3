// config.json of model_type gemma and gemma2, checked. Field names and defaults are transformers'.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/activation.h"
#include "runtime/config_reader.h"

namespace torchsight {

struct DecoderConfig {
  bool gemma2 = false;     // four norms a layer, soft caps, windows
  int64_t width = 0;       // d
  int64_t depth = 0;       // layers
  int64_t heads = 0;       // H, of queries
  int64_t kv_heads = 0;    // K, of keys and values; a divisor of H
  int64_t head_width = 0;  // e, even
  int64_t hidden = 0;      // F, of the MLP
  int64_t vocabulary = 0;  // V
  int64_t context = 0;     // positions that the model was made for
  double norm_eps = 1e-6;
  double rope_theta = 10000;
  double query_scale = 1;        // of q k^T
  double attention_softcap = 0;  // 0: none
  double final_softcap = 0;      // of logits; 0: none
  int64_t window = 0;            // tokens that a windowed layer looks back, itself included; 0: all
  std::vector<bool> windowed;    // by layer
  bool attention_bias = false;
  bool tied_head = true;
  Activation activation = Activation::kGeluTanh;
  std::vector<int64_t> eos;
  int64_t pad = 0;

  int64_t group() const { return heads / kv_heads; }
  bool has_windows() const;
  /// Elements of all weights together.
  double parameters() const;

  /// This config with what `options.extra` says of how the model is run: "attention_softcap" and
  /// "final_softcap" (0: none), "sliding_window" (false: all layers see all tokens).
  DecoderConfig with(const Json& extra) const;
  /// Reads a gemma or gemma2 config. Throws `Error(kBadConfig)` for what no model can be made of.
  static DecoderConfig from_json(const ConfigReader& config);
};

}  // namespace torchsight
