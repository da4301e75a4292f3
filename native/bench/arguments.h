// What the program is asked to measure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchsight::bench {

struct Arguments {
  std::string device = "cuda";
  std::string variant = "22B";
  std::string dtype = "bfloat16";
  std::string attention = "auto";  // or flash, cudnn: the only kernel that is allowed
  std::vector<int64_t> batches{1, 8, 32, 64};
  int64_t depth = 0;  // layers; 0: the variant's
  int64_t image = 224;
  double seconds = 1;   // of each measurement
  bool float8 = false;  // the same rows with weights in float8
  bool json = false;    // rows as lines of JSON instead of a table

  /// Throws `Error(kUsage)` for words that mean nothing.
  static Arguments parse(const std::vector<std::string>& words);
};

/// How `Arguments::parse` is to be called.
extern const char* const kUsage;

}  // namespace torchsight::bench
