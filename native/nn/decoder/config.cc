#include "nn/decoder/config.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/error.h"

namespace torchsight {
namespace {

// Far above any model that exists; they keep every product of sizes within int64_t.
constexpr int64_t kMaxWidth = 1 << 18;
constexpr int64_t kMaxDepth = 1 << 12;
constexpr int64_t kMaxHidden = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxContext = 1 << 24;
constexpr double kMaxParameters = 1e12;
constexpr double kMaxNumber = 1e9;

// The base of the rotary angles, in the files' new spelling or in the old one.
double base_of_angles(const ConfigReader& config) {
  const ConfigReader rope = config.section("rope_parameters");
  rope.choice<bool>("rope_type", {{"default", true}});
  const double old = config.positive("rope_theta", kMaxNumber, 10000);
  return rope.positive("rope_theta", kMaxNumber, old);
}

Activation activation_of(const ConfigReader& config, bool gemma2) {
  // Gemma's files of the first days say "gelu" and mean the tanh approximation.
  const Activation gelu = gemma2 ? Activation::kGelu : Activation::kGeluTanh;
  return config.choice<Activation>(gemma2 ? "hidden_activation" : "hidden_act",
                                   {{"gelu_pytorch_tanh", Activation::kGeluTanh},
                                    {"gelu_new", Activation::kGeluTanh},
                                    {"gelu", gelu}});
}

std::vector<bool> windowed_layers(const ConfigReader& config, int64_t depth) {
  std::vector<bool> windowed;
  for (int64_t l = 0; l < depth; ++l) windowed.push_back(l % 2 == 0);
  const auto types = config.strings("layer_types");
  if (!types) return windowed;
  if (static_cast<int64_t>(types->size()) != depth) {
    config.refuse("one entry for each of " + std::to_string(depth) + " layers", "layer_types",
                  std::to_string(types->size()) + " entries");
  }
  for (int64_t l = 0; l < depth; ++l) {
    windowed[l] = (*types)[l] == "sliding_attention";
    if (windowed[l] || (*types)[l] == "full_attention") continue;
    config.refuse("sliding_attention or full_attention", "layer_types", (*types)[l]);
  }
  return windowed;
}

void check(const DecoderConfig& c, const ConfigReader& config) {
  if (c.heads % c.kv_heads != 0) {
    config.refuse("a divisor of num_attention_heads " + std::to_string(c.heads),
                  "num_key_value_heads", std::to_string(c.kv_heads));
  }
  if (c.head_width % 2 != 0) {
    config.refuse("an even number", "head_dim", std::to_string(c.head_width));
  }
  if (c.parameters() > kMaxParameters) {
    config.refuse("at most 1e12 parameters", "the model's sizes", std::to_string(c.parameters()));
  }
}

}  // namespace

bool DecoderConfig::has_windows() const {
  return window > 0 && std::find(windowed.begin(), windowed.end(), true) != windowed.end();
}

double DecoderConfig::parameters() const {
  const auto d = static_cast<double>(width), e = static_cast<double>(head_width);
  const double attention = 2 * d * e * static_cast<double>(heads + kv_heads);
  const double mlp = 3 * d * static_cast<double>(hidden);
  const double tables = d * static_cast<double>(vocabulary) * (tied_head ? 1 : 2);
  return static_cast<double>(depth) * (attention + mlp) + tables;
}

DecoderConfig DecoderConfig::with(const Json& extra) const {
  DecoderConfig c = *this;
  const auto cap = [&](const char* name, double own) {
    const double value = extra.get(name, own);
    if (value >= 0) return value;
    throw Error(ErrorCode::kBadInput, "expected a number of at least 0 for the option " +
                                          std::string(name) + " but received " +
                                          Json(value).dump());
  };
  c.attention_softcap = cap("attention_softcap", attention_softcap);
  c.final_softcap = cap("final_softcap", final_softcap);
  if (!extra.get("sliding_window", true)) c.window = 0;
  return c;
}

DecoderConfig DecoderConfig::from_json(const ConfigReader& config) {
  DecoderConfig c;
  c.gemma2 = config.choice<bool>("model_type", {{"gemma", false}, {"gemma2", true}});
  const bool two = c.gemma2;
  c.width = config.size("hidden_size", kMaxWidth, two ? 2304 : 3072);
  c.depth = config.size("num_hidden_layers", kMaxDepth, two ? 26 : 28);
  c.heads = config.size("num_attention_heads", kMaxWidth, two ? 8 : 16);
  c.kv_heads = config.size("num_key_value_heads", kMaxWidth, two ? 4 : 16);
  c.head_width = config.size("head_dim", kMaxWidth, 256);
  c.hidden = config.size("intermediate_size", kMaxHidden, two ? 9216 : 24576);
  c.vocabulary = config.size("vocab_size", kMaxVocabulary, 256000);
  c.context = config.size("max_position_embeddings", kMaxContext, 8192);
  c.norm_eps = config.positive("rms_norm_eps", 1, 1e-6);
  c.rope_theta = base_of_angles(config);
  c.activation = activation_of(config, two);
  c.attention_bias = config.flag("attention_bias", false);
  c.tied_head = config.flag("tie_word_embeddings", true);
  c.eos = config.ids("eos_token_id", kMaxVocabulary, {1});
  c.pad = config.size("pad_token_id", kMaxVocabulary, 0, 0);
  const auto head = static_cast<double>(c.head_width);
  c.query_scale =
      1 / std::sqrt(two ? config.positive("query_pre_attn_scalar", kMaxNumber, 256) : head);
  c.windowed.assign(c.depth, false);
  if (two) {
    c.attention_softcap = config.positive_or_null("attn_logit_softcapping", kMaxNumber, 50);
    c.final_softcap = config.positive_or_null("final_logit_softcapping", kMaxNumber, 30);
    c.window = static_cast<int64_t>(config.positive_or_null("sliding_window", kMaxContext, 4096));
    c.windowed = windowed_layers(config, c.depth);
  }
  check(c, config);
  return c;
}

}  // namespace torchsight
