#include "models/paligemma/mask_layers.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "nn/parameters.h"

namespace torchsight::paligemma {
namespace {

Init drawn(int64_t fan_in) {
  return {Init::Kind::kLecunNormal, 0, fan_in};
}

struct Padding {
  int64_t before, after;
};

Padding same_padding(int64_t size, int64_t kernel, int64_t stride) {
  const int64_t outputs = (size + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((outputs - 1) * stride + kernel - size, 0);
  return {total / 2, total - total / 2};
}

}  // namespace

Convolution::Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                         const ModuleOptions& options)
    : stride_(stride),
      weight_OIkk_(at::empty({out, in, kernel, kernel}, tensor_options(options))),
      bias_O_(at::empty({out}, tensor_options(options))) {}

at::Tensor Convolution::operator()(const at::Tensor& x_NIhw) const {
  const int64_t kernel = weight_OIkk_.size(2);
  const Padding rows = same_padding(x_NIhw.size(2), kernel, stride_);
  const Padding columns = same_padding(x_NIhw.size(3), kernel, stride_);
  if (rows.before == rows.after && columns.before == columns.after) {
    return at::conv2d(x_NIhw, weight_OIkk_, bias_O_, stride_, {rows.before, columns.before});
  }
  const at::Tensor padded =
      at::constant_pad_nd(x_NIhw, {columns.before, columns.after, rows.before, rows.after});
  return at::conv2d(padded, weight_OIkk_, bias_O_, stride_);
}

void Convolution::add_parameters(std::vector<Parameter>& parameters,
                                 const std::string& name) const {
  const int64_t kernel = weight_OIkk_.size(2);
  add_parameter(parameters, name + ".weight", weight_OIkk_,
                drawn(weight_OIkk_.size(1) * kernel * kernel));
  add_parameter(parameters, name + ".bias", bias_O_, kZeros);
}

Doubling::Doubling(int64_t in, int64_t out, const ModuleOptions& options)
    : weight_IO44_(at::empty({in, out, 4, 4}, tensor_options(options))),
      bias_O_(at::empty({out}, tensor_options(options))) {}

at::Tensor Doubling::operator()(const at::Tensor& x_NIhw) const {
  return at::conv_transpose2d(x_NIhw, weight_IO44_, bias_O_, /*stride=*/2, /*padding=*/1);
}

void Doubling::add_parameters(std::vector<Parameter>& parameters, const std::string& name) const {
  // Each pixel of the result is a sum over 2 x 2 of the kernel's places.
  add_parameter(parameters, name + ".weight", weight_IO44_, drawn(weight_IO44_.size(0) * 4));
  add_parameter(parameters, name + ".bias", bias_O_, kZeros);
}

ResidualBlock::ResidualBlock(int64_t width, const std::vector<int64_t>& kernels,
                             const ModuleOptions& options)
    : layers_{Convolution(width, width, kernels.at(0), 1, options),
              Convolution(width, width, kernels.at(1), 1, options),
              Convolution(width, width, kernels.at(2), 1, options)} {}

at::Tensor ResidualBlock::operator()(const at::Tensor& x_Nchw) const {
  const at::Tensor hidden = layers_[1](layers_[0](x_Nchw).relu_()).relu_();
  return layers_[2](hidden).add_(x_Nchw);
}

void ResidualBlock::add_parameters(std::vector<Parameter>& parameters,
                                   const std::string& name) const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].add_parameters(parameters, name + ".net." + std::to_string(2 * i));
  }
}

}  // namespace torchsight::paligemma
