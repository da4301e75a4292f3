#include "models/paligemma/config.h"

#include "runtime/config_reader.h"

namespace torchsight::paligemma {
namespace {

constexpr int64_t kMaxId = 1 << 24;
constexpr int64_t kMaxWidth = 1 << 18;

}  // namespace

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  const ConfigReader vision = config.section("vision_config"), text = config.section("text_config");
  Config c;
  c.vision = SiglipVisionConfig::from_json(vision);
  // The decoder reads every patch; a pooled vector has no place.
  c.vision.head = false;
  c.text = DecoderConfig::from_json(text);
  // Models were last trained without it, and transformers leaves it out.
  c.text.final_softcap = 0;
  c.text.tied_head = config.flag("tie_word_embeddings", true);
  c.image_token = config.size("image_token_index", kMaxId, c.image_token, 0);
  const int64_t width = config.size("projection_dim", kMaxWidth, c.text.width);
  if (width != c.text.width) {
    config.refuse("text_config.hidden_size " + std::to_string(c.text.width), "projection_dim",
                  std::to_string(width));
  }
  return c;
}

}  // namespace torchsight::paligemma
