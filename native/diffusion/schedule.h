// The forward process q(z_t | x) = N(alpha_t x, sigma_t^2 I) of variance-preserving diffusion in
// continuous time, t from 0 (data) to 1 (noise), told by the log signal-to-noise ratio
// logsnr = ln(alpha^2 / sigma^2): alpha^2 = sigmoid(logsnr), sigma^2 = sigmoid(-logsnr).
//
// Sources: Kingma et al., "Variational Diffusion Models" (arXiv 2107.00630); Salimans and Ho,
// "Progressive Distillation" (arXiv 2202.00512); Hoogeboom et al., "simple diffusion" (arXiv
// 2301.11093) for the shift.
//
// Tensors of this folder: B samples, S all the dimensions of one sample, e.g. [C, T, H, W].
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "runtime/config_reader.h"

namespace torchsight::diffusion {

/// sqrt(sigmoid(logsnr)), the scale of the data.
double alpha_of(double logsnr);
/// sqrt(sigmoid(-logsnr)), the scale of the noise.
double sigma_of(double logsnr);
/// ln(sigmoid(-logsnr)), without loss at either end.
double log_variance_of(double logsnr);

struct NoiseSchedule {
  enum class Kind {
    kCosine,        // logsnr = -2 ln tan(a t + b), from `most` at t = 0 to `least` at t = 1
    kOffsetCosine,  // of (t + 0.008) / 1.008, up to -ln(1e-5), as imagen-pytorch has it
    kLinear,        // logsnr = -ln(expm1(1e-4 + 10 t^2)), of beta linear in t
  };

  Kind kind = Kind::kCosine;
  double least = -20;  // of kCosine
  double most = 20;    // of kCosine
  double shift = 0;    // added to logsnr: 2 ln(reference / height) for large pictures

  /// The log signal-to-noise ratio at t, which falls as t rises. kOffsetCosine ends at pure noise,
  /// where it is near -75.
  double logsnr(double t) const;
  /// The inverse of `logsnr`; what is beyond either end is that end.
  double time(double logsnr) const;
  /// `logsnr` of each sample: float64 [B] on the CPU.
  at::Tensor logsnr(const at::Tensor& times_B) const;

  /// Of `{kind: "cosine" | "offset_cosine" | "linear", logsnr_min, logsnr_max, logsnr_shift}`.
  /// Throws `Error(kBadConfig)`.
  static NoiseSchedule from_json(const ConfigReader& reader);
};

/// A noise level: that of all samples, as numbers without dimensions, or one for each sample,
/// shaped to meet [B, ...S]. Float64, or the dtype of what they meet.
struct Level {
  at::Tensor logsnr, alpha, sigma;

  static Level all(double logsnr);
  /// `logsnr_B` of each sample, in the dtype and on the device of `like_BS`.
  static Level each(const at::Tensor& logsnr_B, const at::Tensor& like_BS);
};

/// z = alpha x + sigma epsilon.
at::Tensor noised(const at::Tensor& x_BS, const at::Tensor& epsilon_BS, const Level& level);

}  // namespace torchsight::diffusion
