#include "diffusion/schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace torchsight::diffusion {
namespace {

constexpr double kMostLogSnr = 100;
constexpr double kOffset = 0.008;             // s of the offset cosine
constexpr double kLeastTangentSquare = 1e-5;  // of the offset cosine at t = 0
constexpr double kBetaStart = 1e-4, kBetaSlope = 10;

// -2 ln tan(angle): the log signal-to-noise ratio where alpha = cos and sigma = sin of an angle.
double of_angle(double angle) {
  return -2 * std::log(std::tan(angle));
}

double angle_of(double logsnr) {
  return std::atan(std::exp(-logsnr / 2));
}

}  // namespace

double alpha_of(double logsnr) {
  return std::exp(log_variance_of(-logsnr) / 2);
}

double sigma_of(double logsnr) {
  return std::exp(log_variance_of(logsnr) / 2);
}

double log_variance_of(double logsnr) {
  // -softplus(logsnr)
  return logsnr > 0 ? -logsnr - std::log1p(std::exp(-logsnr)) : -std::log1p(std::exp(logsnr));
}

double NoiseSchedule::logsnr(double t) const {
  switch (kind) {
    case Kind::kCosine: {
      const double first = angle_of(most), last = angle_of(least);
      return of_angle(first + (last - first) * t) + shift;
    }
    case Kind::kOffsetCosine: {
      const double angle = (t + kOffset) / (1 + kOffset) * std::numbers::pi / 2;
      return std::min(of_angle(angle), -std::log(kLeastTangentSquare)) + shift;
    }
    default:
      return -std::log(std::expm1(kBetaStart + kBetaSlope * t * t)) + shift;
  }
}

double NoiseSchedule::time(double logsnr) const {
  const double plain = logsnr - shift;
  const auto within = [](double t) { return std::clamp(t, 0.0, 1.0); };
  switch (kind) {
    case Kind::kCosine: {
      const double first = angle_of(most), last = angle_of(least);
      return within((angle_of(plain) - first) / (last - first));
    }
    case Kind::kOffsetCosine:
      return within(angle_of(plain) * 2 / std::numbers::pi * (1 + kOffset) - kOffset);
    default: {
      const double beta = std::log1p(std::exp(-plain));
      return within(std::sqrt(std::max(0.0, beta - kBetaStart) / kBetaSlope));
    }
  }
}

at::Tensor NoiseSchedule::logsnr(const at::Tensor& times_B) const {
  at::Tensor logsnr_B = times_B.to(at::kCPU, at::kDouble).contiguous().clone();
  double* const values = logsnr_B.mutable_data_ptr<double>();
  std::transform(values, values + logsnr_B.numel(), values, [this](double t) { return logsnr(t); });
  return logsnr_B;
}

NoiseSchedule NoiseSchedule::from_json(const ConfigReader& reader) {
  NoiseSchedule schedule;
  schedule.kind = reader.choice<Kind>("kind", {{"cosine", Kind::kCosine},
                                               {"offset_cosine", Kind::kOffsetCosine},
                                               {"linear", Kind::kLinear}});
  const auto number = [&](const char* name, double fallback) {
    return reader.number(name, -kMostLogSnr, kMostLogSnr, fallback);
  };
  schedule.least = number("logsnr_min", schedule.least);
  schedule.most = number("logsnr_max", schedule.most);
  schedule.shift = number("logsnr_shift", schedule.shift);
  if (schedule.least >= schedule.most) {
    reader.refuse("a number above logsnr_min", "logsnr_max", std::to_string(schedule.most));
  }
  return schedule;
}

Level Level::all(double logsnr) {
  const auto number = [](double value) { return at::scalar_tensor(value, at::kDouble); };
  return {number(logsnr), number(alpha_of(logsnr)), number(sigma_of(logsnr))};
}

Level Level::each(const at::Tensor& logsnr_B, const at::Tensor& like_BS) {
  std::vector<int64_t> shape(like_BS.dim(), 1);
  shape.front() = logsnr_B.size(0);
  const at::Tensor exact_B = logsnr_B.to(at::kDouble);
  const auto shaped = [&](const at::Tensor& value_B) {
    return value_B.view(shape).to(like_BS.options());
  };
  return {shaped(exact_B), shaped(at::sigmoid(exact_B).sqrt()),
          shaped(at::sigmoid(-exact_B).sqrt())};
}

at::Tensor noised(const at::Tensor& x_BS, const at::Tensor& epsilon_BS, const Level& level) {
  return x_BS * level.alpha + epsilon_BS * level.sigma;
}

}  // namespace torchsight::diffusion
