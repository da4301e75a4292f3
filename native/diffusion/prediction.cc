#include "diffusion/prediction.h"

#include <ATen/ATen.h>

namespace torchsight::diffusion {

at::Tensor x_of(Prediction kind, const at::Tensor& z_BS, const at::Tensor& predicted_BS,
                const Level& level) {
  switch (kind) {
    case Prediction::kX:
      return predicted_BS;
    case Prediction::kEpsilon:
      return (z_BS - predicted_BS * level.sigma) / level.alpha;
    default:
      return z_BS * level.alpha - predicted_BS * level.sigma;
  }
}

at::Tensor epsilon_beside(const at::Tensor& z_BS, const at::Tensor& x_BS, const Level& level) {
  return (z_BS - x_BS * level.alpha) / level.sigma;
}

Denoised denoised(Prediction kind, const at::Tensor& z_BS, const at::Tensor& predicted_BS,
                  const Level& level) {
  at::Tensor x_BS = x_of(kind, z_BS, predicted_BS, level);
  switch (kind) {
    case Prediction::kX:
      return {x_BS, epsilon_beside(z_BS, x_BS, level)};
    case Prediction::kEpsilon:
      return {x_BS, predicted_BS};
    default:
      return {x_BS, z_BS * level.sigma + predicted_BS * level.alpha};
  }
}

at::Tensor prediction_of(Prediction kind, const Denoised& parts, const Level& level) {
  switch (kind) {
    case Prediction::kX:
      return parts.x_BS;
    case Prediction::kEpsilon:
      return parts.epsilon_BS;
    default:
      return parts.epsilon_BS * level.alpha - parts.x_BS * level.sigma;
  }
}

Prediction prediction_from_json(const ConfigReader& reader, std::string_view name) {
  return reader.choice<Prediction>(
      name, {{"v", Prediction::kV}, {"epsilon", Prediction::kEpsilon}, {"x", Prediction::kX}});
}

}  // namespace torchsight::diffusion
