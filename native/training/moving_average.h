// Weights averaged over the steps of a run: often better than those of any one step.
#pragma once

#include <vector>

#include "training/weights.h"

namespace torchsight {

class MovingAverage {
 public:
  /// `decay` is approached as min(decay, (1 + step) / (10 + step)), so that the start of a run is
  /// forgotten soon.
  MovingAverage(double decay, const std::vector<Weight>& weights);

  /// Takes in the weights after step `step`, from 0.
  void update(const std::vector<Weight>& weights, int64_t step);
  /// Puts the averages in the place of the weights, and the weights in that of the averages.
  void exchange(const std::vector<Weight>& weights);
  const std::vector<at::Tensor>& averages() const { return averages_; }

 private:
  double decay_;
  std::vector<at::Tensor> averages_;
};

}  // namespace torchsight
