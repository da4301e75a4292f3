#include "models/imagen_video/layers.h"

#include <ATen/ATen.h>

#include "nn/parameters.h"

namespace torchsight::imagen_video {

Affine::Affine(std::vector<int64_t> shape, bool with_bias, const ModuleOptions& options)
    : weight(at::empty(shape, tensor_options(options))) {
  if (with_bias) bias = at::empty({shape.front()}, tensor_options(options));
}

void Affine::add_parameters(std::vector<Parameter>& parameters, const std::string& name,
                            bool zero) const {
  Init init{Init::Kind::kLecunNormal};
  init.fan_in = weight.numel() / weight.size(0);
  init.fan_out = weight.size(0);
  add_parameter(parameters, name + ".weight", weight, zero ? kZeros : init);
  if (bias.defined()) add_parameter(parameters, name + ".bias", bias, kZeros);
}

at::Tensor Affine::linear(const at::Tensor& x) const {
  return at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

at::Tensor Affine::conv(const at::Tensor& x_FCHW, int64_t stride) const {
  const int64_t padding = weight.size(2) / 2;
  return at::conv2d(x_FCHW, weight, bias.defined() ? std::optional(bias) : std::nullopt,
                    {stride, stride}, {padding, padding});
}

GroupNorm::GroupNorm(const Config& config, int64_t channels, const ModuleOptions& options)
    : groups(config.groups),
      pixels(config.pixel_norm),
      eps(config.norm_eps),
      weight_C(at::empty({channels}, tensor_options(options))),
      bias_C(at::empty({channels}, tensor_options(options))) {}

void GroupNorm::add_parameters(std::vector<Parameter>& parameters, const std::string& name) const {
  add_parameter(parameters, name + ".weight", weight_C, kOnes);
  add_parameter(parameters, name + ".bias", bias_C, kZeros);
}

at::Tensor GroupNorm::operator()(const at::Tensor& x_FCHW) const {
  if (!pixels) return at::group_norm(x_FCHW, groups, weight_C, bias_C, eps);
  const at::Tensor wide_FCHW = x_FCHW.to(at::promote_types(x_FCHW.scalar_type(), at::kFloat));
  const at::Tensor scale_F1HW = (wide_FCHW.square().mean(1, true) + eps).rsqrt();
  return (wide_FCHW * scale_F1HW).to(x_FCHW.scalar_type()) * weight_C.view({-1, 1, 1}) +
         bias_C.view({-1, 1, 1});
}

ResidualBlock::ResidualBlock(const Config& config, int64_t in, int64_t out, bool shortcut,
                             const ModuleOptions& options)
    : norm1_(config, in, options),
      norm2_(config, out, options),
      conv1_({out, in, 3, 3}, true, options),
      conv2_({out, out, 3, 3}, true, options),
      embedding_({2 * out, config.embedding()}, true, options) {
  if (shortcut || in != out) shortcut_ = Affine({out, in, 1, 1}, true, options);
}

void ResidualBlock::add_parameters(std::vector<Parameter>& parameters,
                                   const std::string& prefix) const {
  norm1_.add_parameters(parameters, prefix + ".norm1");
  conv1_.add_parameters(parameters, prefix + ".conv1");
  embedding_.add_parameters(parameters, prefix + ".embedding");
  norm2_.add_parameters(parameters, prefix + ".norm2");
  conv2_.add_parameters(parameters, prefix + ".conv2", /*zero=*/true);
  if (shortcut_.weight.defined()) shortcut_.add_parameters(parameters, prefix + ".shortcut");
}

at::Tensor ResidualBlock::forward(const at::Tensor& x_FCHW, const at::Tensor& e_BE,
                                  int64_t frames) const {
  const at::Tensor film_F2C11 =
      embedding_.linear(at::silu(e_BE)).repeat_interleave(frames, 0).unsqueeze(2).unsqueeze(3);
  const std::vector<at::Tensor> film = film_F2C11.chunk(2, 1);
  at::Tensor h_FCHW = conv1_.conv(at::silu(norm1_(x_FCHW)));
  h_FCHW = norm2_(h_FCHW) * (film[0] + 1) + film[1];
  h_FCHW = conv2_.conv(at::silu(h_FCHW));
  return h_FCHW + (shortcut_.weight.defined() ? shortcut_.conv(x_FCHW) : x_FCHW);
}

}  // namespace torchsight::imagen_video
