#include "models/owlvit/config.h"

#include "runtime/config_reader.h"

namespace torchsight::owlvit {
namespace {

// Far above any model that exists; they keep every product of sizes within int64_t.
constexpr int64_t kMaxWidth = 1 << 18;
constexpr int64_t kMaxDepth = 1 << 12;
constexpr int64_t kMaxHidden = 1 << 20;
constexpr int64_t kMaxPixels = 1 << 15;
constexpr int64_t kMaxPatch = 1 << 12;
constexpr int64_t kMaxChannels = 1 << 10;
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxContext = 1 << 16;
constexpr double kMaxParameters = 1e12;

EncoderConfig tower(const ConfigReader& config, const EncoderConfig& defaults) {
  EncoderConfig tower = defaults;
  tower.width = config.size("hidden_size", kMaxWidth, defaults.width);
  tower.depth = config.size("num_hidden_layers", kMaxDepth, defaults.depth);
  tower.heads = config.size("num_attention_heads", kMaxWidth, defaults.heads);
  tower.hidden = config.size("intermediate_size", kMaxHidden, defaults.hidden);
  tower.norm_eps = config.positive("layer_norm_eps", 1, defaults.norm_eps);
  tower.activation =
      config.choice<Activation>("hidden_act", {{"quick_gelu", Activation::kQuickGelu},
                                               {"gelu", Activation::kGelu},
                                               {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                               {"gelu_new", Activation::kGeluTanh}});
  if (tower.width % tower.heads != 0) {
    config.refuse("a divisor of hidden_size " + std::to_string(tower.width), "num_attention_heads",
                  std::to_string(tower.heads));
  }
  return tower;
}

double parameters_of(const EncoderConfig& tower) {
  const double d = static_cast<double>(tower.width), hidden = static_cast<double>(tower.hidden);
  return static_cast<double>(tower.depth) * (4 * d * d + 2 * d * hidden);
}

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
      parameters_of(c.vision) + parameters_of(c.text) +
      static_cast<double>(c.text.width) * static_cast<double>(c.vocabulary + c.context) +
      static_cast<double>(c.vision.width) *
          static_cast<double>(c.channels * c.patch * c.patch + c.grid() * c.grid());
  if (parameters > kMaxParameters) {
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
  c.vision = tower(vision, {768, 12, 12, 3072});
  c.text = tower(text, {512, 12, 8, 2048});
  c.image = vision.size("image_size", kMaxPixels, c.image);
  c.patch = vision.size("patch_size", kMaxPatch, c.objectness ? 16 : 32);
  c.channels = vision.size("num_channels", kMaxChannels, c.channels);
  c.vocabulary = text.size("vocab_size", kMaxVocabulary, c.vocabulary);
  c.context = text.size("max_position_embeddings", kMaxContext, c.context);
  c.embedding = config.size("projection_dim", kMaxWidth, c.embedding);
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
