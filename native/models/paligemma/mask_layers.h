// The layers of the mask codec. Its weights are PyTorch's, but its encoder was run by TensorFlow.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "runtime/module.h"

namespace torchsight::paligemma {

/// A convolution with TensorFlow's SAME padding: the result is the input over the stride, rounded
/// up, and where padding is odd its larger part is at the right and at the bottom.
class Convolution {
 public:
  Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride,
              const ModuleOptions& options);

  /// [N, in, h, w] -> [N, out, ceil(h / stride), ceil(w / stride)]
  at::Tensor operator()(const at::Tensor& x_NIhw) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name) const;

 private:
  int64_t stride_;
  at::Tensor weight_OIkk_, bias_O_;
};

/// A transposed convolution of 4 x 4 that doubles both sides.
class Doubling {
 public:
  Doubling(int64_t in, int64_t out, const ModuleOptions& options);

  /// [N, in, h, w] -> [N, out, 2 h, 2 w]
  at::Tensor operator()(const at::Tensor& x_NIhw) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name) const;

 private:
  at::Tensor weight_IO44_, bias_O_;
};

/// x + three convolutions with ReLU between them; none after the sum.
class ResidualBlock {
 public:
  ResidualBlock(int64_t width, const std::vector<int64_t>& kernels, const ModuleOptions& options);

  at::Tensor operator()(const at::Tensor& x_Nchw) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name) const;

 private:
  std::array<Convolution, 3> layers_;
};

}  // namespace torchsight::paligemma
