// What a network says of z = alpha x + sigma epsilon, and the same in other terms (Salimans and Ho,
// arXiv 2202.00512, section 4 and appendix D). All are linear in each other, given z.
#pragma once

#include "diffusion/schedule.h"

namespace torchsight::diffusion {

enum class Prediction {
  kX,        // the data
  kEpsilon,  // the noise
  kV,        // alpha epsilon - sigma x: stable at both ends
};

/// Data and noise that make up z.
struct Denoised {
  at::Tensor x_BS, epsilon_BS;
};

/// x of a prediction. Of epsilon it is (z - sigma epsilon) / alpha, which loses all near t = 1.
at::Tensor x_of(Prediction kind, const at::Tensor& z_BS, const at::Tensor& predicted_BS,
                const Level& level);
/// Both of a prediction.
Denoised denoised(Prediction kind, const at::Tensor& z_BS, const at::Tensor& predicted_BS,
                  const Level& level);
/// The noise that is left of z beside x: (z - alpha x) / sigma.
at::Tensor epsilon_beside(const at::Tensor& z_BS, const at::Tensor& x_BS, const Level& level);
/// What a perfect prediction of that kind would say.
at::Tensor prediction_of(Prediction kind, const Denoised& parts, const Level& level);

/// "x", "epsilon" or "v", with "v" the default. Throws `Error(kBadConfig)`.
Prediction prediction_from_json(const ConfigReader& reader, std::string_view name);

}  // namespace torchsight::diffusion
