// config.json of SigLIP's and SigLIP 2's model types, checked. Field names and defaults are
// transformers'.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "nn/siglip_vision.h"

namespace torchsight::siglip {

struct TextConfig {
  EncoderConfig encoder;
  int64_t vocabulary = 32000;
  int64_t context = 64;      // positions
  int64_t projection = 768;  // E, of the embedding

  static TextConfig from_json(const ConfigReader& config);
};

struct Config {
  std::string model_type = "siglip";
  /// Pictures come as patches in grids of any shape (NaFlex).
  bool flexible = false;
  std::optional<SiglipVisionConfig> vision;  // its `image` makes up the table where it is flexible
  std::optional<TextConfig> text;

  bool both() const { return vision && text; }

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::siglip
