#include "generation/options.h"

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr int64_t kMaxTokens = 1 << 20;
constexpr int64_t kMaxBeams = 1 << 10;

[[noreturn]] void refuse(const std::string& expected, const char* name, const Json& received) {
  throw Error(ErrorCode::kBadInput,
              "expected " + expected + " for " + name + " but received " + received.dump());
}

int64_t whole(const Json& options, const char* name, int64_t fallback, int64_t least,
              int64_t most) {
  const int64_t value = options.get(name, fallback);
  if (value >= least && value <= most) return value;
  refuse("a number from " + std::to_string(least) + " to " + std::to_string(most), name, value);
}

std::vector<int64_t> ids(const Json& options, const char* name, std::vector<int64_t> fallback,
                         int64_t vocabulary) {
  const Json* value = options.find(name);
  if (!value || value->is_null()) return fallback;
  std::vector<int64_t> ids = value->as_ints(name);
  for (const int64_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      refuse("ids from 0 to " + std::to_string(vocabulary - 1), name, *value);
    }
  }
  return ids;
}

}  // namespace

GenerationOptions GenerationOptions::from_json(const Json& options, const DecoderConfig& config,
                                               int64_t rows) {
  GenerationOptions g;
  g.max_new_tokens = whole(options, "max_new_tokens", g.max_new_tokens, 1, kMaxTokens);
  g.sample = options.get("do_sample", false);
  g.temperature = options.get("temperature", 1.0);
  g.top_k = whole(options, "top_k", 0, 0, kMaxTokens);
  g.top_p = options.get("top_p", 1.0);
  g.beams = whole(options, "num_beams", 1, 1, kMaxBeams);
  g.best_of = whole(options, "best_of", 1, 1, kMaxBeams);
  g.eos = ids(options, "eos_token_id", config.eos, config.vocabulary);
  g.pad = whole(options, "pad_token_id", config.pad, 0, config.vocabulary - 1);
  g.allowed = ids(options, "allowed_token_ids", {}, config.vocabulary);
  if (const Json* seeds = options.find("seeds"); seeds && !seeds->is_null()) {
    g.seeds = seeds->as_ints("seeds");
    const auto count = static_cast<int64_t>(g.seeds.size());
    if (count != 1 && count != rows) refuse("a seed for each row", "seeds", *seeds);
  }
  if (!(g.temperature > 0)) refuse("a number above 0", "temperature", g.temperature);
  if (!(g.top_p > 0 && g.top_p <= 1)) refuse("a number above 0 and up to 1", "top_p", g.top_p);
  if (g.beams > 1 && (g.sample || g.best_of > 1)) {
    throw Error(ErrorCode::kBadInput, "expected beams or samples but received options for both");
  }
  if (g.best_of > 1 && !g.sample) {
    refuse("1 where nothing is sampled", "best_of", g.best_of);
  }
  return g;
}

std::vector<OptionSpec> GenerationOptions::specs() {
  return {
      {"max_new_tokens", "int", Json(32), "tokens of each row at most"},
      {"do_sample", "bool", Json(false), "draw tokens, instead of taking the likeliest"},
      {"temperature", "float", Json(1.0), "logits are divided by it before a draw"},
      {"top_k", "int", Json(0), "draw among the k likeliest; 0: among all"},
      {"top_p", "float", Json(1.0), "draw among the likeliest that together reach this share"},
      {"seeds", "int[]", nullptr, "of the draws: one for all rows, or one for each"},
      {"num_beams", "int", Json(1), "hypotheses of a beam search; 1: none"},
      {"best_of", "int", Json(1), "draw as many texts and keep the likeliest"},
      {"eos_token_id", "int[]", nullptr, "tokens that end a row; those of the config by default"},
      {"pad_token_id", "int", nullptr, "what stands behind an end; that of the config by default"},
      {"allowed_token_ids", "int[]", nullptr, "the only tokens that may be chosen"},
  };
}

}  // namespace torchsight
