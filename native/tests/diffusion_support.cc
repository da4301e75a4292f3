#include "tests/diffusion_support.h"

#include <ATen/ATen.h>

namespace torchsight::test {

using namespace diffusion;

FunctionDenoiser gaussian_denoiser(double mean, double deviation, Prediction kind) {
  const auto predict = [=](const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                           const NamedTensors& conditions) {
    const at::Tensor* given = find_tensor(conditions, "mean");
    const at::Tensor mean_BS = given ? *given : at::scalar_tensor(mean, at::kDouble);
    const Level level = Level::each(logsnr_B, z_BS);
    const double c2 = deviation * deviation;
    const at::Tensor gain = level.alpha * c2 / (level.alpha.square() * c2 + level.sigma.square());
    const at::Tensor x_BS = mean_BS + gain * (z_BS - level.alpha * mean_BS);
    return prediction_of(kind, {x_BS, epsilon_beside(z_BS, x_BS, level)}, level);
  };
  return {kind, predict};
}

NoiseStreams streams_of(int64_t count, int64_t seed) {
  std::vector<NoiseStreams::Stream> streams;
  for (int64_t b = 0; b < count; ++b) streams.push_back({seed + b, b});
  return NoiseStreams(std::move(streams));
}

}  // namespace torchsight::test
