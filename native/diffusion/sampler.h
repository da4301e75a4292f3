// From noise to samples, by a network that tells noise from data.
//
// A run of N steps goes over t = 1, (N-1)/N, ..., 1/N; its last estimate of x is the result. The
// order within a step: network, guidance, x, threshold, epsilon beside it, the step of the sampler.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "diffusion/guidance.h"
#include "diffusion/known.h"
#include "diffusion/noise.h"
#include "diffusion/threshold.h"

namespace torchsight::diffusion {

struct SamplerOptions {
  enum class Kind {
    kDdim,
    kAncestral,
    /// For networks distilled to N steps (Ho et al., arXiv 2210.02303, section 2.7): a
    /// deterministic step of twice the length, and half the way back by noise.
    kStochastic,
  };

  Kind kind = Kind::kDdim;
  int64_t steps = 64;
  /// Of these, the first ones that are left out: the run starts with noised `SampleRequest::start`.
  int64_t skip = 0;
  double gamma = 0.3;         // of kAncestral
  int64_t corrections = 0;    // steps of Langevin dynamics behind each step, one evaluation each
  double delta = 0.1;         // their size
  int64_t preview_every = 0;  // steps, and at the last one; 0: none
  Guidance guidance;
  Threshold threshold;

  /// Evaluations of the network, a guided one counted once, where samples have so many repeats.
  int64_t evaluations(int64_t repeats = 1) const;

  /// Of `{kind: "ddim" | "ancestral" | "stochastic", steps, skip, gamma, corrections, delta,
  /// preview_every, guidance, threshold}`. Throws `Error(kBadConfig)`.
  static SamplerOptions from_json(const Json& json);
};

struct SampleRequest {
  /// Of the shape [B, ...S], dtype (float32 or float64) and device of the samples; not read.
  at::Tensor like_BS;
  Conditions conditions;
  NoiseStreams streams;  // one for each sample
  std::optional<Known> known = {};
  at::Tensor start_BS = {};         // what a run with `skip` starts from
  std::string phase = "denoising";  // as progress and errors tell it
  /// The streamed item of x [B, ...S] after step `step`, from 1; by default `preview`, x itself,
  /// and `step`.
  std::function<NamedTensors(const at::Tensor& x_BS, int64_t step)> item = {};
};

/// Draws of a sample's stream that are not the sampler's own begin here.
inline constexpr int64_t kFreeDraws = 1 << 22;

/// The samples, [B, ...S]. Polls `context` before each evaluation, tells it the progress in
/// evaluations, and puts `preview` (x of the step, [B, ...S]) and `step` (int64, from 1) on its
/// stream. Throws `Error(kBadInput | kShape)` for requests that do not fit, and `Error(kDiverged)`
/// where the network says what is no number.
at::Tensor sample(Denoiser& denoiser, const NoiseSchedule& schedule, const SamplerOptions& options,
                  const SampleRequest& request, JobContext& context);

}  // namespace torchsight::diffusion
