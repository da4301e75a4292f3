#include "models/vit22b/config.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"

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

[[noreturn]] void refuse(const std::string& expected, std::string_view name,
                         const std::string& received) {
  throw Error(ErrorCode::kBadConfig,
              "expected " + expected + " for " + std::string(name) + " but received " + received);
}

int64_t size_of(const Json& value, std::string_view name, int64_t least, int64_t most) {
  if (!value.is_int() || value.as_int() < least || value.as_int() > most) {
    refuse("an integer from " + std::to_string(least) + " to " + std::to_string(most), name,
           value.dump());
  }
  return value.as_int();
}

const Json* find(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value && !value->is_null() ? value : nullptr;
}

int64_t size(const Json& json, std::string_view name, int64_t fallback, int64_t most,
             int64_t least = 1) {
  const Json* value = find(json, name);
  return value ? size_of(*value, name, least, most) : fallback;
}

int64_t required(const Json& json, std::string_view name, int64_t most) {
  const Json* value = find(json, name);
  if (!value) refuse("an integer", name, "nothing");
  return size_of(*value, name, 1, most);
}

bool flag(const Json& json, std::string_view name, bool fallback) {
  const Json* value = find(json, name);
  if (!value) return fallback;
  if (!value->is_bool()) refuse("true or false", name, value->dump());
  return value->as_bool();
}

template <typename T>
using Choices = std::vector<std::pair<std::string_view, T>>;  // the first one is the default

template <typename T>
T choice(const Json& json, std::string_view name, const Choices<T>& choices) {
  const Json* value = find(json, name);
  if (!value) return choices.front().second;
  std::string known;
  for (const auto& [text, result] : choices) {
    if (value->is_string() && value->as_string() == text) return result;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  refuse("one of " + known, name, value->dump());
}

void read_image_size(const Json& json, Config& config) {
  const Json* value = find(json, "image_size");
  if (!value) return;
  if (value->is_array()) {
    const Json::Array& sides = value->as_array();
    if (sides.size() != 2) refuse("an integer or [height, width]", "image_size", value->dump());
    config.image_height = size_of(sides[0], "image_size[0]", 1, kMaxPixels);
    config.image_width = size_of(sides[1], "image_size[1]", 1, kMaxPixels);
  } else {
    config.image_height = config.image_width = size_of(*value, "image_size", 1, kMaxPixels);
  }
}

void check(const Config& c, const Json& json) {
  if (c.width % c.heads != 0) {
    refuse("a divisor of hidden_size " + std::to_string(c.width), "num_attention_heads",
           std::to_string(c.heads));
  }
  if (c.grid_height() < 1 || c.grid_width() < 1) {
    refuse("at most the sides of the image, " + std::to_string(c.image_height) + " and " +
               std::to_string(c.image_width) + ",",
           "patch_size", std::to_string(c.patch));
  }
  if (!(c.norm_eps > 0) || !(c.norm_eps <= 1)) {
    refuse("a number above 0 and at most 1", "norm_eps", json.at("norm_eps").dump());
  }
  if (c.pooling == Pooling::kToken && !c.class_token) {
    refuse("true with pooling \"token\"", "class_token", "false");
  }
  const double d = static_cast<double>(c.width), hidden = static_cast<double>(c.hidden);
  const double parameters =
      static_cast<double>(c.depth) * (4 * d * d + 2 * d * hidden) +
      d * (static_cast<double>(c.channels) * static_cast<double>(c.patch * c.patch) +
           static_cast<double>(c.grid_height() * c.grid_width()) + static_cast<double>(c.labels));
  if (parameters > kMaxParameters) {
    refuse("at most 1e13 parameters", "the model's sizes", std::to_string(parameters));
  }
}

}  // namespace

Config Config::from_json(const Json& json) {
  if (!json.is_object()) refuse("an object", "config", json.dump());
  Config c;
  c.width = required(json, "hidden_size", kMaxWidth);
  c.depth = required(json, "num_hidden_layers", kMaxDepth);
  c.heads = required(json, "num_attention_heads", kMaxWidth);
  c.hidden = required(json, "intermediate_size", kMaxHidden);
  read_image_size(json, c);
  c.patch = size(json, "patch_size", c.patch, kMaxPatch);
  c.channels = size(json, "num_channels", c.channels, kMaxChannels);
  c.labels = size(json, "num_labels", c.labels, kMaxLabels, 0);
  c.block = choice<BlockKind>(
      json, "block", {{"parallel", BlockKind::kParallel}, {"sequential", BlockKind::kSequential}});
  using Kind = std::pair<NormKind, bool>;
  std::tie(c.norm, c.norm_bias) =
      choice<Kind>(json, "norm",
                   {{"rmsnorm", {NormKind::kRms, false}},
                    {"layernorm_no_bias", {NormKind::kLayerNorm, false}},
                    {"layernorm", {NormKind::kLayerNorm, true}}});
  c.qk_norm = choice<NormKind>(json, "qk_norm",
                               {{"layernorm_no_bias", NormKind::kLayerNorm},
                                {"rmsnorm", NormKind::kRms},
                                {"none", NormKind::kNone}});
  c.qk_scale_per_head =
      choice<bool>(json, "qk_norm_scale", {{"shared", false}, {"per_head", true}});
  if (const Json* eps = find(json, "norm_eps")) {
    if (!eps->is_number()) refuse("a number above 0", "norm_eps", eps->dump());
    c.norm_eps = eps->as_double();
  }
  c.qkv_bias = flag(json, "qkv_bias", c.qkv_bias);
  c.attention_out_bias = flag(json, "attention_out_bias", c.attention_out_bias);
  c.mlp_bias = flag(json, "mlp_bias", c.mlp_bias);
  c.class_token = flag(json, "class_token", c.class_token);
  c.activation = choice<Activation>(
      json, "hidden_act", {{"gelu_tanh", Activation::kGeluTanh}, {"gelu", Activation::kGelu}});
  c.pooling = choice<Pooling>(json, "pooling",
                              {{"map", Pooling::kMap},
                               {"mean", Pooling::kMean},
                               {"token", Pooling::kToken},
                               {"none", Pooling::kNone}});
  c.position_resize =
      choice<PositionResize>(json, "position_resize",
                             {{"bilinear", PositionResize::kBilinear},
                              {"bicubic_antialias", PositionResize::kBicubicAntialias}});
  c.loss = choice<Loss>(json, "loss", {{"sigmoid", Loss::kSigmoid}, {"softmax", Loss::kSoftmax}});
  check(c, json);
  return c;
}

}  // namespace torchsight::vit22b
