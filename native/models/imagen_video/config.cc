#include "models/imagen_video/config.h"

#include <algorithm>

#include "nn/encoder_config.h"

namespace torchsight::imagen_video {
namespace {

constexpr int64_t kMostLevels = 8;
constexpr int64_t kMostBlocks = 64;

// A list of `count` integers from `least` to `most` each.
std::vector<int64_t> integers(const ConfigReader& config, const Json& json, const char* name,
                              int64_t least, int64_t most, size_t count) {
  const Json* value = json.find(name);
  const std::string expected = "a list of " + std::to_string(count) + " integers from " +
                               std::to_string(least) + " to " + std::to_string(most);
  if (!value || !value->is_array())
    config.refuse(expected, name, value ? value->dump() : "nothing");
  std::vector<int64_t> list;
  for (const Json& one : value->as_array()) {
    if (!one.is_int() || one.as_int() < least || one.as_int() > most) {
      config.refuse(expected, name, value->dump());
    }
    list.push_back(one.as_int());
  }
  if (list.size() != count) config.refuse(expected, name, value->dump());
  return list;
}

}  // namespace

bool Config::any_text() const {
  return std::any_of(levels.begin(), levels.end(), [](const auto& level) { return level.text; });
}

bool Config::any_self() const {
  return std::any_of(levels.begin(), levels.end(), [](const auto& level) { return level.self; });
}

int64_t Config::stride() const {
  const auto halvings = static_cast<int64_t>(levels.size()) - (kind == Kind::kPlain ? 1 : 0);
  return int64_t{1} << halvings;
}

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  Config c;
  c.kind = config.choice<Kind>("kind", {{"plain", Kind::kPlain}, {"efficient", Kind::kEfficient}});
  c.dim = config.size("dim", tower_limits::kWidth, c.dim);
  c.channels = config.size("channels", tower_limits::kChannels, c.channels);
  c.low_res_channels = config.size("low_res_channels", tower_limits::kChannels, 0, 0);
  c.guidance_input = config.flag("guidance_input", false);
  c.text_width = config.size("text_width", tower_limits::kWidth, c.text_width);
  c.context = config.size("context_width", tower_limits::kWidth, c.context);
  c.head = config.size("head_dim", tower_limits::kWidth, c.head);
  c.feed_forward = config.size("feed_forward_mult", 16, c.feed_forward);
  c.groups = config.size("norm_groups", tower_limits::kWidth, c.groups);
  c.pixel_norm = config.choice<bool>("norm", {{"group", false}, {"rms", true}});
  c.norm_eps = config.positive("norm_eps", 1, c.norm_eps);
  c.buckets = config.size("frame_buckets", 1 << 12, c.buckets, 4);
  c.max_distance = config.size("frame_distance", 1 << 16, c.max_distance);
  c.temporal = config.choice<Temporal>("temporal", {{"attention", {true, false}},
                                                    {"convolution", {false, true}},
                                                    {"both", {true, true}},
                                                    {"none", {false, false}}});
  const Json* mults = json.find("dim_mults");
  const size_t count = mults && mults->is_array() ? mults->as_array().size() : 0;
  if (count < 1 || count > kMostLevels) {
    config.refuse("a list of 1 to 8 integers", "dim_mults", mults ? mults->dump() : "nothing");
  }
  const auto list = [&](const char* name, int64_t least, int64_t most) {
    return integers(config, json, name, least, most, count);
  };
  const auto widths = list("dim_mults", 1, 64), blocks = list("blocks", 1, kMostBlocks);
  const auto self = list("self_attention", 0, 1), text = list("text_attention", 0, 1);
  for (size_t l = 0; l < count; ++l) {
    const int64_t channels = c.dim * widths[l];
    c.levels.push_back({channels, blocks[l], self[l] == 1, text[l] == 1});
    const bool attends = self[l] == 1 || text[l] == 1 || c.temporal.attention;
    if (channels > tower_limits::kWidth || (attends && channels % c.head != 0)) {
      config.refuse("multiples of head_dim " + std::to_string(c.head), "dim times dim_mults",
                    std::to_string(channels));
    }
  }
  if (c.dim % c.groups != 0 || c.dim % 2 != 0 || c.dim < 4) {
    config.refuse("an even multiple of norm_groups " + std::to_string(c.groups), "dim",
                  std::to_string(c.dim));
  }
  if (c.buckets % 4 != 0) {
    config.refuse("a multiple of 4", "frame_buckets", std::to_string(c.buckets));
  }
  if (c.max_distance <= c.buckets / 4) {
    config.refuse("more than a quarter of frame_buckets", "frame_distance",
                  std::to_string(c.max_distance));
  }
  return c;
}

}  // namespace torchsight::imagen_video
