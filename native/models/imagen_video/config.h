// config.json of `model_type: imagen_video_unet`, one stage of a cascade, checked.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/config_reader.h"

namespace torchsight::imagen_video {

/// Where a level's resolution changes, and how many blocks see skipped features.
enum class Kind {
  kPlain,      // attention behind each block; a skip into each block of the way up; a middle
  kEfficient,  // narrow first: resampled before the blocks, attention once, one skip a level
};

/// How frames of a clip see each other.
struct Temporal {
  bool attention = false;
  bool convolution = false;
};

/// One resolution.
struct LevelConfig {
  int64_t channels;
  int64_t blocks;
  bool self;  // spatial attention
  bool text;  // attention to the text
};

struct Config {
  Kind kind = Kind::kPlain;
  int64_t dim = 128;
  std::vector<LevelConfig> levels;  // the finest first
  Temporal temporal;
  int64_t channels = 3;
  int64_t low_res_channels = 0;  // 0: no small video to enlarge
  bool guidance_input = false;   // takes the weight of guidance
  int64_t text_width = 4096;
  int64_t context = 1024;  // D
  int64_t head = 64;
  int64_t feed_forward = 2;
  int64_t groups = 32;
  bool pixel_norm = false;  // RMS over the channels of each pixel instead of groups
  double norm_eps = 1e-6;
  int64_t buckets = 32;  // of relative places of frames
  int64_t max_distance = 32;

  int64_t embedding() const { return 4 * dim; }
  bool any_text() const;
  bool any_self() const;
  /// Height and width must be multiples of that.
  int64_t stride() const;

  /// Throws `Error(kBadConfig)` for what no network can be made of.
  static Config from_json(const Json& json);
};

}  // namespace torchsight::imagen_video
