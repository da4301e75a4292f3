#include "models/t5/config.h"

#include "nn/encoder_config.h"

namespace torchsight::t5 {
namespace {

constexpr int64_t kMostBuckets = 1 << 12;
constexpr int64_t kMostDistance = 1 << 20;

void check(const Config& c, const ConfigReader& config) {
  if (c.buckets % 4 != 0) {
    config.refuse("a multiple of 4", "relative_attention_num_buckets", std::to_string(c.buckets));
  }
  // A quarter of the buckets are for single distances, and the others for those beyond.
  if (c.max_distance <= c.buckets / 4) {
    config.refuse("more than " + std::to_string(c.buckets / 4), "relative_attention_max_distance",
                  std::to_string(c.max_distance));
  }
  if (c.inner() > tower_limits::kWidth) {
    config.refuse("at most " + std::to_string(tower_limits::kWidth) + " features of all heads",
                  "num_heads", std::to_string(c.heads));
  }
  const double layer = static_cast<double>(c.width) *
                       static_cast<double>(4 * c.inner() + (c.gated() ? 3 : 2) * c.hidden);
  const double parameters = static_cast<double>(c.depth) * layer +
                            static_cast<double>(c.vocabulary) * static_cast<double>(c.width);
  if (parameters > tower_limits::kParameters) {
    config.refuse("at most 1e12 parameters", "the model's sizes", std::to_string(parameters));
  }
}

}  // namespace

Config Config::from_json(const Json& json) {
  const ConfigReader config(json);
  Config c;
  config.choice<bool>("model_type", {{"t5", true}});
  c.vocabulary = config.size("vocab_size", tower_limits::kVocabulary, c.vocabulary);
  c.width = config.size("d_model", tower_limits::kWidth, c.width);
  c.head = config.size("d_kv", tower_limits::kWidth, c.head);
  c.hidden = config.size("d_ff", tower_limits::kHidden, c.hidden);
  c.depth = config.size("num_layers", tower_limits::kDepth, c.depth);
  c.heads = config.size("num_heads", tower_limits::kWidth, c.heads);
  c.buckets = config.size("relative_attention_num_buckets", kMostBuckets, c.buckets, 4);
  c.max_distance = config.size("relative_attention_max_distance", kMostDistance, c.max_distance);
  c.norm_eps = config.positive("layer_norm_epsilon", 1, c.norm_eps);
  c.feed_forward = config.choice<FeedForward>(
      "feed_forward_proj", {{"relu", FeedForward::kRelu}, {"gated-gelu", FeedForward::kGatedGelu}});
  check(c, config);
  return c;
}

}  // namespace torchsight::t5
