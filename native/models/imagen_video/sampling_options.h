// What a call of a stage's `sample` says beside its tensors, read and checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diffusion/sampler.h"
#include "models/imagen_video/config.h"
#include "models/imagen_video/enlarging.h"
#include "models/imagen_video/tiling.h"
#include "runtime/schema.h"

namespace torchsight::imagen_video {

struct SamplingOptions {
  std::string name;  // the stage's, for errors and progress
  Enlarging shape;   // of the video to make, and how the small one gets there
  diffusion::Prediction prediction = diffusion::Prediction::kV;
  diffusion::NoiseSchedule schedule;
  diffusion::SamplerOptions sampler;
  /// Signal-to-noise ratio of the small video; 0: it stays as it is.
  double augmentation_snr = 0;
  diffusion::Known known;  // without its tensors
  Tiling tiling;
  bool pad = false;
  int64_t preview_size = 0;  // pixels of the longer side
  std::vector<int64_t> seeds;
  int64_t stream = 0;

  /// The options as schemas tell them.
  static std::vector<OptionSpec> specs();
  /// Throws `Error(kBadConfig | kShape | kUnsupported)`, naming the option or the stage.
  static SamplingOptions from_json(const Json& json, const Config& config);
};

}  // namespace torchsight::imagen_video
