// Single steps of samplers, from the level t to the level s below it or back. Levels are logsnr.
// All coefficients are computed in float64 by exponentials of log variances.
#pragma once

#include "diffusion/prediction.h"

namespace torchsight::diffusion {

/// The deterministic step (Song et al., "DDIM", arXiv 2010.02502, in the form of arXiv 2202.00512):
/// alpha_s x + sigma_s epsilon.
at::Tensor ddim_step(const Denoised& parts, double logsnr_s);

/// The ancestral step (Ho et al., arXiv 2204.03458, section 2): the mean of q(z_s | z_t, x), and
/// `noise_BS` times a deviation between the bounds of its reverse process: gamma 0 the lower one,
/// 1 the upper one, the logarithm interpolated.
at::Tensor ancestral_step(const at::Tensor& z_BS, const at::Tensor& x_BS, double logsnr_t,
                          double logsnr_s, double gamma, const at::Tensor& noise_BS);

/// From a level s to a noisier one k by the forward process, q(z_k | z_s).
at::Tensor renoised(const at::Tensor& z_BS, double logsnr_s, double logsnr_k,
                    const at::Tensor& noise_BS);

/// A step of Langevin dynamics that stays at its level (arXiv 2204.03458, section 2, after Song et
/// al., arXiv 2011.13456): z - delta / 2 sigma epsilon + sqrt(delta) sigma noise.
at::Tensor langevin_step(const at::Tensor& z_BS, const at::Tensor& epsilon_BS, double logsnr,
                         double delta, const at::Tensor& noise_BS);

}  // namespace torchsight::diffusion
