// Layers of the video U-Net that see one frame at a time. Frames of all clips are one batch.
//
// Shapes: B clips of T frames, F = B T, C channels, E the embedding of noise level and text.
#pragma once

#include <string>
#include <vector>

#include "models/imagen_video/config.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

/// Weight and bias of a linear layer or a convolution, [out, in, ...].
struct Affine {
  at::Tensor weight, bias;

  Affine() = default;
  Affine(std::vector<int64_t> shape, bool with_bias, const ModuleOptions& options);
  /// Adds `name`.weight and `name`.bias; `zero` makes the layer begin as nothing.
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name,
                      bool zero = false) const;

  at::Tensor linear(const at::Tensor& x) const;
  /// 3 x 3 (padded) or 1 x 1 over [F, C, H, W].
  at::Tensor conv(const at::Tensor& x_FCHW, int64_t stride = 1) const;
};

/// GroupNorm over each frame, or RMS over the channels of each pixel, which sees no other pixel;
/// statistics in float32 at least.
struct GroupNorm {
  int64_t groups = 1;
  bool pixels = false;
  double eps = 1e-6;
  at::Tensor weight_C, bias_C;

  GroupNorm() = default;
  GroupNorm(const Config& config, int64_t channels, const ModuleOptions& options);
  void add_parameters(std::vector<Parameter>& parameters, const std::string& name) const;
  at::Tensor operator()(const at::Tensor& x_FCHW) const;
};

/// conv(swish(norm(x))), scaled and shifted by the embedding in its middle (Dhariwal and Nichol,
/// arXiv 2105.05233), beside a shortcut.
class ResidualBlock {
 public:
  /// `shortcut`: a 1 x 1 convolution even where the channels stay.
  ResidualBlock(const Config& config, int64_t in, int64_t out, bool shortcut,
                const ModuleOptions& options);

  /// `e_BE` serves `frames` frames of each clip.
  at::Tensor forward(const at::Tensor& x_FCHW, const at::Tensor& e_BE, int64_t frames) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  GroupNorm norm1_, norm2_;
  Affine conv1_, conv2_, embedding_, shortcut_;
};

}  // namespace torchsight::imagen_video
