#include "models/vit22b/config.h"

#include <string>
#include <tuple>
#include <utility>

#include "runtime/config_reader.h"

namespace torchsight::vit22b {
namespace {

// Far above any model that exists; they keep every product of sizes within int64_t.
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxDepth = 1 << 14;
constexpr int64_t kMaxHidden = 1 << 22;
constexpr int64_t kMaxPixels = 1 << 16;
constexpr int64_t kMaxPatch = 1 << 12;
constexpr int64_t kMaxChannels = 1 << 10;
constexpr int64_t kMaxLabels = 1 << 24;
constexpr double kMaxParameters = 1e13;
constexpr double kMaxBias = 1e3;
// Every label starts out improbable: sigmoid(-10) = 4.5e-5 (big_vision, train_vit_g.py).
constexpr double kSigmoidBias = -10;

void check(const Config& c, const ConfigReader& config) {
  if (c.width % c.heads != 0) {
    config.refuse("a divisor of hidden_size " + std::to_string(c.width), "num_attention_heads",
                  std::to_string(c.heads));
  }
  if (c.grid_height() < 1 || c.grid_width() < 1) {
    config.refuse("at most the sides of the image, " + std::to_string(c.image_height) + " and " +
                      std::to_string(c.image_width) + ",",
                  "patch_size", std::to_string(c.patch));
  }
  if (c.pooling == Pooling::kToken && !c.class_token) {
    config.refuse("true with pooling \"token\"", "class_token", "false");
  }
  const double d = static_cast<double>(c.width), hidden = static_cast<double>(c.hidden);
  const double parameters =
      static_cast<double>(c.depth) * (4 * d * d + 2 * d * hidden) +
      d * (static_cast<double>(c.channels) * static_cast<double>(c.patch * c.patch) +
           static_cast<double>(c.grid_height() * c.grid_width()) + static_cast<double>(c.labels));
  if (parameters > kMaxParameters) {
    config.refuse("at most 1e13 parameters", "the model's sizes", std::to_string(parameters));
  }
}

}  // namespace

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  Config c;
  c.width = config.size("hidden_size", kMaxWidth);
  c.depth = config.size("num_hidden_layers", kMaxDepth);
  c.heads = config.size("num_attention_heads", kMaxWidth);
  c.hidden = config.size("intermediate_size", kMaxHidden);
  std::tie(c.image_height, c.image_width) = config.sides("image_size", kMaxPixels, c.image_height);
  c.patch = config.size("patch_size", kMaxPatch, c.patch);
  c.channels = config.size("num_channels", kMaxChannels, c.channels);
  c.labels = config.size("num_labels", kMaxLabels, c.labels, 0);
  c.block = config.choice<BlockKind>(
      "block", {{"parallel", BlockKind::kParallel}, {"sequential", BlockKind::kSequential}});
  using Kind = std::pair<NormKind, bool>;
  std::tie(c.norm, c.norm_bias) =
      config.choice<Kind>("norm", {{"rmsnorm", {NormKind::kRms, false}},
                                   {"layernorm_no_bias", {NormKind::kLayerNorm, false}},
                                   {"layernorm", {NormKind::kLayerNorm, true}}});
  c.qk_norm = config.choice<NormKind>("qk_norm", {{"layernorm_no_bias", NormKind::kLayerNorm},
                                                  {"rmsnorm", NormKind::kRms},
                                                  {"none", NormKind::kNone}});
  c.qk_scale_per_head =
      config.choice<bool>("qk_norm_scale", {{"shared", false}, {"per_head", true}});
  c.norm_eps = config.positive("norm_eps", 1, c.norm_eps);
  c.qkv_bias = config.flag("qkv_bias", c.qkv_bias);
  c.attention_out_bias = config.flag("attention_out_bias", c.attention_out_bias);
  c.mlp_bias = config.flag("mlp_bias", c.mlp_bias);
  c.class_token = config.flag("class_token", c.class_token);
  c.activation = config.choice<Activation>(
      "hidden_act", {{"gelu_tanh", Activation::kGeluTanh}, {"gelu", Activation::kGelu}});
  c.pooling = config.choice<Pooling>("pooling", {{"map", Pooling::kMap},
                                                 {"mean", Pooling::kMean},
                                                 {"token", Pooling::kToken},
                                                 {"none", Pooling::kNone}});
  c.position_resize = config.choice<PositionResize>(
      "position_resize", {{"bilinear", PositionResize::kBilinear},
                          {"bicubic_antialias", PositionResize::kBicubicAntialias}});
  c.loss = config.choice<Loss>("loss", {{"sigmoid", Loss::kSigmoid}, {"softmax", Loss::kSoftmax}});
  const double usual = c.loss == Loss::kSigmoid ? kSigmoidBias : 0;
  c.head_bias = config.number("init_head_bias", -kMaxBias, kMaxBias, usual);
  check(c, config);
  return c;
}

}  // namespace torchsight::vit22b
