#include "models/siglip/config.h"

#include <cmath>

#include "runtime/config_reader.h"

namespace torchsight::siglip {
namespace {

constexpr int64_t kMaxPatches = 1 << 20;

// The tower of SigLIP 2, whose table has `num_patches` positions in a square.
SiglipVisionConfig flexible_vision(const ConfigReader& config) {
  const int64_t patches = config.size("num_patches", kMaxPatches, 256);
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(patches)));
  if (side * side != patches) {
    config.refuse("a square number", "num_patches", std::to_string(patches));
  }
  SiglipVisionConfig vision = SiglipVisionConfig::from_json(config);
  vision.image = side * vision.patch;
  return vision;
}

SiglipVisionConfig vision_of(const ConfigReader& config, bool flexible) {
  return flexible ? flexible_vision(config) : SiglipVisionConfig::from_json(config);
}

}  // namespace

TextConfig TextConfig::from_json(const ConfigReader& config) {
  TextConfig c;
  c.encoder = EncoderConfig::from_json(
      config, {768, 12, 12, 3072, Activation::kGeluTanh, 1e-6, EncoderInit::kXavier});
  c.vocabulary = config.size("vocab_size", tower_limits::kVocabulary, c.vocabulary);
  c.context = config.size("max_position_embeddings", tower_limits::kContext, c.context);
  c.projection = config.size("projection_size", tower_limits::kWidth, c.encoder.width);
  return c;
}

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  enum class Kind { kBoth, kVision, kText };
  const ConfigReader::Choices<std::pair<Kind, bool>> kinds{
      {"siglip", {Kind::kBoth, false}},
      {"siglip_vision_model", {Kind::kVision, false}},
      {"siglip_text_model", {Kind::kText, false}},
      {"siglip2", {Kind::kBoth, true}},
      {"siglip2_vision_model", {Kind::kVision, true}},
      {"siglip2_text_model", {Kind::kText, true}}};
  const auto [kind, flexible] = config.choice("model_type", kinds);
  Config c;
  c.model_type = json.get("model_type", "siglip");
  c.flexible = flexible;
  if (kind == Kind::kVision) c.vision = vision_of(config, flexible);
  if (kind == Kind::kText) c.text = TextConfig::from_json(config);
  if (kind == Kind::kBoth) {
    c.vision = vision_of(config.section("vision_config"), flexible);
    c.text = TextConfig::from_json(config.section("text_config"));
    if (!c.vision->head) {
      config.refuse("true for a model of both towers", "vision_config.vision_use_head", "false");
    }
    if (c.text->projection != c.vision->encoder.width) {
      config.refuse("vision_config.hidden_size " + std::to_string(c.vision->encoder.width),
                    "text_config.projection_size", std::to_string(c.text->projection));
    }
  }
  const double weights =
      (c.vision ? c.vision->weights() : 0) +
      (c.text ? c.text->encoder.weights() + static_cast<double>(c.text->encoder.width) *
                                                static_cast<double>(c.text->vocabulary)
              : 0);
  if (weights > tower_limits::kParameters) {
    config.refuse("at most 1e12 parameters", "the model's sizes", std::to_string(weights));
  }
  return c;
}

}  // namespace torchsight::siglip
