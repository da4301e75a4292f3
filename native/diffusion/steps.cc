#include "diffusion/steps.h"

#include <ATen/ATen.h>

#include <cmath>

namespace torchsight::diffusion {
namespace {

// ln(1 - e^x) for x < 0.
double log_one_minus_exp(double x) {
  return std::log(-std::expm1(x));
}

// ln of alpha_to / alpha_from.
double log_alpha_ratio(double logsnr_from, double logsnr_to) {
  return (log_variance_of(-logsnr_to) - log_variance_of(-logsnr_from)) / 2;
}

}  // namespace

at::Tensor ddim_step(const Denoised& parts, double logsnr_s) {
  return parts.x_BS * alpha_of(logsnr_s) + parts.epsilon_BS * sigma_of(logsnr_s);
}

at::Tensor ancestral_step(const at::Tensor& z_BS, const at::Tensor& x_BS, double logsnr_t,
                          double logsnr_s, double gamma, const at::Tensor& noise_BS) {
  const double fall = logsnr_t - logsnr_s;
  const double of_z = std::exp(fall + log_alpha_ratio(logsnr_t, logsnr_s));
  const double of_x = -std::expm1(fall) * alpha_of(logsnr_s);
  const double log_variance = log_one_minus_exp(fall) + (1 - gamma) * log_variance_of(logsnr_s) +
                              gamma * log_variance_of(logsnr_t);
  return z_BS * of_z + x_BS * of_x + noise_BS * std::exp(log_variance / 2);
}

at::Tensor renoised(const at::Tensor& z_BS, double logsnr_s, double logsnr_k,
                    const at::Tensor& noise_BS) {
  const double log_variance = log_one_minus_exp(logsnr_k - logsnr_s) + log_variance_of(logsnr_k);
  return z_BS * std::exp(log_alpha_ratio(logsnr_s, logsnr_k)) +
         noise_BS * std::exp(log_variance / 2);
}

at::Tensor langevin_step(const at::Tensor& z_BS, const at::Tensor& epsilon_BS, double logsnr,
                         double delta, const at::Tensor& noise_BS) {
  const double sigma = sigma_of(logsnr);
  return z_BS - epsilon_BS * (delta / 2 * sigma) + noise_BS * (std::sqrt(delta) * sigma);
}

}  // namespace torchsight::diffusion
