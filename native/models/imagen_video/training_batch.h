// From clips with texts to what a stage sees of them in training. All that is random is drawn of
// each sample's own stream, so that a step is a function of its batch and its number.
#pragma once

#include <optional>
#include <utility>

#include "diffusion/denoiser.h"
#include "diffusion/noise.h"
#include "models/imagen_video/config.h"
#include "models/imagen_video/shrinking.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

struct BatchOptions {
  diffusion::NoiseSchedule schedule;
  std::optional<Shrinking> low_res;        // of stages that enlarge
  std::pair<int64_t, int64_t> crop{0, 0};  // height and width of random parts; 0: all
  double text_dropout = 0;  // the share of samples that are learnt without their text
  int64_t seed = 0;

  /// Of `{schedule, low_res, crop, text_dropout, seed}`, for stages of `config`. Throws
  /// `Error(kBadConfig)`.
  static BatchOptions from_json(const ConfigReader& reader, const Config& config,
                                double text_dropout);
};

/// Clips as a stage is trained on them.
struct TrainingBatch {
  at::Tensor x_BCTHW;  // from -1 to 1
  at::Tensor epsilon_BCTHW;
  diffusion::Conditions conditions;  // `without`: empty texts, where there are texts
  diffusion::NoiseStreams streams;
};

/// Numbers of what is drawn of a stream.
enum class Draw : int64_t {
  kTime,
  kNoise,
  kDropout,
  kLowResTime,
  kLowResNoise,
  kRow,
  kColumn,
  kWeight,
};

/// A uniform number from [0, 1) for each sample: float64 [B] on the CPU.
at::Tensor uniform(const TrainingBatch& batch, Draw draw);

/// What a batch has: `video` [B, T, H, W, C], uint8 or numbers from -1 to 1; `text` [B, L, W] and
/// `text_mask`; `is_image` [B], whose frames are pictures by themselves; `stream` [B], of each
/// sample's random numbers in the place of the trainer's own.
std::vector<TensorSpec> batch_inputs(const Config& config);

/// Throws `Error(kShape | kDtype | kBadInput)` for batches that do not fit.
TrainingBatch training_batch(const Call& call, const Config& config, const BatchOptions& options,
                             const at::TensorOptions& memory);

}  // namespace torchsight::imagen_video
