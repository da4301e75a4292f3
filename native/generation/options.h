// How text is generated. Names are transformers' where it has them.
#pragma once

#include <cstdint>
#include <vector>

#include "io/json.h"
#include "nn/decoder/config.h"
#include "runtime/schema.h"

namespace torchsight {

struct GenerationOptions {
  int64_t max_new_tokens = 32;
  bool sample = false;  // else the likeliest token
  double temperature = 1;
  int64_t top_k = 0;  // 0: no limit
  double top_p = 1;
  /// Of the random numbers, for each row; one seed serves all rows alike.
  std::vector<int64_t> seeds{0};
  int64_t beams = 1;
  int64_t best_of = 1;           // samples of each row, of which the likeliest is kept
  std::vector<int64_t> eos;      // tokens that end a row
  int64_t pad = 0;               // what follows the end
  std::vector<int64_t> allowed;  // ids that may be chosen; empty: all

  int64_t seed(int64_t row) const { return seeds.size() == 1 ? seeds.front() : seeds[row]; }

  /// Reads a call's options. Throws `Error(kBadInput)` for values out of range.
  static GenerationOptions from_json(const Json& options, const DecoderConfig& config,
                                     int64_t rows);
  /// The options as a method's schema lists them.
  static std::vector<OptionSpec> specs();
};

}  // namespace torchsight
