// The squared error of a prediction, weighted by its noise level.
#pragma once

#include "diffusion/prediction.h"

namespace torchsight::diffusion {

/// Which multiple of |x' - x|^2 is made smaller, where SNR = alpha^2 / sigma^2. Sources: Ho et al.,
/// arXiv 2210.02303, section 2.2 (kEpsilon); Salimans and Ho, arXiv 2202.00512, section 4 (kV,
/// kTruncated); Hang et al., arXiv 2303.09556 (kMinSnr).
enum class LossWeight {
  kV,          // SNR + 1: the error of v
  kEpsilon,    // SNR: the error of epsilon
  kTruncated,  // max(SNR, 1)
  kMinSnr,     // min(SNR, gamma)
};

struct LossOptions {
  LossWeight weight = LossWeight::kV;
  double min_snr_gamma = 5;

  /// Of `{weight: "v" | "epsilon" | "truncated" | "min_snr", min_snr_gamma}`. Throws
  /// `Error(kBadConfig)`.
  static LossOptions from_json(const ConfigReader& reader);
};

/// What the squared error of a prediction of that kind is multiplied with: float64 [B] on the CPU.
/// Of v it is never above 1, whatever the level.
at::Tensor loss_factor(Prediction kind, const LossOptions& options, const at::Tensor& logsnr_B);

/// The weighted mean squared error of each sample: [B], float32 at least, with a derivative.
/// `target_BS` is what `prediction_of` says.
at::Tensor loss(Prediction kind, const LossOptions& options, const at::Tensor& predicted_BS,
                const at::Tensor& target_BS, const at::Tensor& logsnr_B);

}  // namespace torchsight::diffusion
