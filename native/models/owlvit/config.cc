#include "models/owlvit/config.h"

#include "runtime/config_reader.h"

namespace torchsight::owlvit {
namespace {

void check(const Config& c, const ConfigReader& config) {
  if (c.grid() < 1) {
    config.section("vision_config")
        .refuse("at most image_size " + std::to_string(c.image), "patch_size",
                std::to_string(c.patch));
  }
  if (c.embedding != c.text.width) {
    config.refuse("text_config.hidden_size " + std::to_string(c.text.width), "projection_dim",
                  std::to_string(c.embedding));
  }
  const double parameters =
      c.vision.weights() + c.text.weights() +
      static_cast<double>(c.text.width) * static_cast<double>(c.vocabulary + c.context) +
      static_cast<double>(c.vision.width) *
          static_cast<double>(c.channels * c.patch * c.patch + c.grid() * c.grid());
  if (parameters > tower_limits::kParameters) {
    config.refuse("at most 1e12 parameters", "the model's sizes", std::to_string(parameters));
  }
}

}  // namespace

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  const ConfigReader vision = config.section("vision_config"), text = config.section("text_config");
  Config c;
  c.objectness = config.choice<bool>("model_type", {{"owlvit", false}, {"owlv2", true}});
  c.model_type = c.objectness ? "owlv2" : "owlvit";
  c.vision = EncoderConfig::from_json(vision, {768, 12, 12, 3072});
  c.text = EncoderConfig::from_json(text, {512, 12, 8, 2048});
  c.image = vision.size("image_size", tower_limits::kPixels, c.image);
  c.patch = vision.size("patch_size", tower_limits::kPatch, c.objectness ? 16 : 32);
  c.channels = vision.size("num_channels", tower_limits::kChannels, c.channels);
  c.vocabulary = text.size("vocab_size", tower_limits::kVocabulary, c.vocabulary);
  c.context = text.size("max_position_embeddings", tower_limits::kContext, c.context);
  c.embedding = config.size("projection_dim", tower_limits::kWidth, c.embedding);
  c.logit_scale = config.positive("logit_scale_init_value", 100, c.logit_scale);
  c.merged_norm_eps = config.positive("merged_norm_eps", 1, c.vision.norm_eps);
  c.head_activation = config.choice<Activation>(
      "head_gelu", {{"erf", Activation::kGelu}, {"tanh", Activation::kGeluTanh}});
  c.merge = config.choice<MergeClassToken>(
      "merge_class_token",
      {{"mul-ln", MergeClassToken::kMultiply}, {"drop", MergeClassToken::kDrop}});
  c.box_bias = config.choice<BoxBias>(
      "box_bias",
      {{"both", BoxBias::kBoth}, {"location", BoxBias::kLocation}, {"size", BoxBias::kSize}});
  check(c, config);
  return c;
}

}  // namespace torchsight::owlvit
