#include "training/moving_average.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace torchsight {

MovingAverage::MovingAverage(double decay, const std::vector<Weight>& weights) : decay_(decay) {
  for (const Weight& weight : weights) averages_.push_back(weight.value.detach().clone());
}

void MovingAverage::update(const std::vector<Weight>& weights, int64_t step) {
  const auto count = static_cast<double>(step);
  const double kept = std::min(decay_, (1 + count) / (10 + count));
  for (size_t i = 0; i < weights.size(); ++i) averages_[i].lerp_(weights[i].value, 1 - kept);
}

void MovingAverage::exchange(const std::vector<Weight>& weights) {
  for (size_t i = 0; i < weights.size(); ++i) {
    at::Tensor value = weights[i].value;
    const at::Tensor old = value.clone();
    value.copy_(averages_[i]);
    averages_[i].copy_(old);
  }
}

}  // namespace torchsight
