#include "diffusion/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace torchsight::diffusion {
namespace {

// The weight of |v' - v|^2. Since x' - x = -sigma (v' - v) it is sigma^2 times that of x, and since
// alpha^2 + sigma^2 = 1 it stays finite at both ends.
double factor_of_v(const LossOptions& options, double logsnr) {
  const double signal = std::exp(log_variance_of(-logsnr)),
               noise = std::exp(log_variance_of(logsnr));
  switch (options.weight) {
    case LossWeight::kEpsilon:
      return signal;
    case LossWeight::kTruncated:
      return std::max(signal, noise);
    case LossWeight::kMinSnr:
      return std::min(signal, options.min_snr_gamma * noise);
    default:
      return 1;
  }
}

double factor_of(Prediction kind, const LossOptions& options, double logsnr) {
  const double of_v = factor_of_v(options, logsnr);
  switch (kind) {
    case Prediction::kX:
      return of_v * std::exp(-log_variance_of(logsnr));
    case Prediction::kEpsilon:
      return of_v * std::exp(-log_variance_of(-logsnr));
    default:
      return of_v;
  }
}

}  // namespace

LossOptions LossOptions::from_json(const ConfigReader& reader) {
  LossOptions options;
  options.weight = reader.choice<LossWeight>("weight", {{"v", LossWeight::kV},
                                                        {"epsilon", LossWeight::kEpsilon},
                                                        {"truncated", LossWeight::kTruncated},
                                                        {"min_snr", LossWeight::kMinSnr}});
  options.min_snr_gamma = reader.positive("min_snr_gamma", 1e6, options.min_snr_gamma);
  return options;
}

at::Tensor loss_factor(Prediction kind, const LossOptions& options, const at::Tensor& logsnr_B) {
  at::Tensor factor_B = logsnr_B.to(at::kCPU, at::kDouble).contiguous().clone();
  double* const values = factor_B.mutable_data_ptr<double>();
  std::transform(values, values + factor_B.numel(), values,
                 [&](double logsnr) { return factor_of(kind, options, logsnr); });
  return factor_B;
}

at::Tensor loss(Prediction kind, const LossOptions& options, const at::Tensor& predicted_BS,
                const at::Tensor& target_BS, const at::Tensor& logsnr_B) {
  const auto dtype = at::promote_types(predicted_BS.scalar_type(), at::kFloat);
  const at::Tensor off_BS = predicted_BS.to(dtype) - target_BS.to(dtype);
  const at::Tensor error_B = off_BS.square().flatten(1).mean(1);
  return error_B * loss_factor(kind, options, logsnr_B).to(error_B.options());
}

}  // namespace torchsight::diffusion
