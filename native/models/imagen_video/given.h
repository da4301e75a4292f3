// What a call of a stage's `sample` gives, as the sampler takes it.
#pragma once

#include <optional>
#include <string>

#include "models/imagen_video/framing.h"
#include "models/imagen_video/sampling_options.h"
#include "runtime/error.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

/// The tensors of a call, checked: `Error(kShape | kBadInput)` names stage and tensor. They go to
/// the size that the network computes, and to the dtype and device of `values`.
class Given {
 public:
  Given(const Config& config, const SamplingOptions& options, const Padding& padding,
        const at::TensorOptions& values, const Call& call);

  /// Texts with and without, the small video, which clips are pictures.
  diffusion::Conditions conditions(const diffusion::NoiseStreams& streams) const;
  /// Nothing where nothing is known.
  std::optional<diffusion::Known> known() const;
  /// What a run that skips steps begins with; undefined for others.
  at::Tensor start() const;

 private:
  [[noreturn]] void refuse(ErrorCode code, const std::string& expected, std::string_view tensor,
                           const std::string& received) const;
  bool guided() const;
  /// The text under the names that the network knows; empty without one.
  NamedTensors texts(const char* name, const char* mask_name) const;
  /// The small video at full size, noised, and its level.
  NamedTensors low_res(const diffusion::NoiseStreams& streams) const;
  /// A video of the stage's size.
  at::Tensor framed(const char* name) const;

  const Config& config_;
  const SamplingOptions& options_;
  const Padding& padding_;
  const at::TensorOptions values_;
  const Call& call_;
  const int64_t batch_;
};

}  // namespace torchsight::imagen_video
