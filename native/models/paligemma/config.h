// config.json of model_type paligemma, checked. Field names and defaults are transformers'.
#pragma once

#include <cstdint>

#include "nn/decoder/config.h"
#include "nn/siglip_vision.h"

namespace torchsight::paligemma {

struct Config {
  SiglipVisionConfig vision;
  DecoderConfig text;
  int64_t image_token = 257152;  // stands in a prompt where one vector of a picture goes

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::paligemma
