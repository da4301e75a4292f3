// Gemma's RMS norm, whose stored weights are offsets from 1.
#pragma once

#include <string>
#include <vector>

#include "nn/norm.h"
#include "runtime/module.h"

namespace torchsight {

class OffsetNorm {
 public:
  OffsetNorm() = default;
  OffsetNorm(int64_t width, double eps, const ModuleOptions& options);

  /// x / sqrt(mean(x^2) + eps) * (1 + w) over the last dimension, worked out in float32.
  at::Tensor operator()(const at::Tensor& x);

  void add_parameters(std::vector<Parameter>& parameters, const std::string& name);
  bool defined() const { return stored_d_.defined(); }

 private:
  at::Tensor stored_d_;
  Norm norm_;  // with 1 + w; made anew after the parameters were handed out
};

}  // namespace torchsight
