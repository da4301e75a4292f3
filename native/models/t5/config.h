// config.json of `model_type: t5`, checked. Field names and defaults are transformers'; what
// concerns the decoder is passed over.
#pragma once

#include <cstdint>

#include "runtime/config_reader.h"

namespace torchsight::t5 {

/// What is between the two products of the feed-forward.
enum class FeedForward {
  kRelu,       // relu(x W): T5
  kGatedGelu,  // gelu(x W0) * (x W1), GELU by its tanh form: T5 v1.1
};

struct Config {
  int64_t vocabulary = 32128;
  int64_t width = 512;    // d_model
  int64_t head = 64;      // d_kv
  int64_t hidden = 2048;  // d_ff
  int64_t depth = 6;
  int64_t heads = 8;
  int64_t buckets = 32;        // of relative positions, half of them for each direction
  int64_t max_distance = 128;  // positions that are so far away or farther share a bucket
  double norm_eps = 1e-6;
  FeedForward feed_forward = FeedForward::kRelu;

  /// All heads together, which need not be the width.
  int64_t inner() const { return heads * head; }
  bool gated() const { return feed_forward == FeedForward::kGatedGelu; }

  /// Throws `Error(kBadConfig)` for what no model can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::t5
