// Attention of the video U-Net: pixels of a frame to each other and to the text, and frames to each
// other at each place.
#pragma once

#include "models/imagen_video/layers.h"

namespace torchsight::imagen_video {

/// The text as attention sees it.
struct TextContext {
  at::Tensor tokens_BLD;
  at::Tensor seen_BL;  // bool
};

/// Attention within a frame: one softmax over its pixels (`self`) and the text (`text`), with a
/// feed-forward behind (Saharia et al., arXiv 2205.11487, appendix D.3.1).
class SpatialAttention {
 public:
  SpatialAttention(const Config& config, int64_t channels, bool self, bool text,
                   const ModuleOptions& options);

  at::Tensor forward(const at::Tensor& x_FCHW, const TextContext& text, int64_t frames) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  int64_t heads_;
  bool self_, text_;
  GroupNorm norm1_, norm2_;
  Affine q_, kv_, text_kv_, out_, in_, down_;
};

/// Attention over the frames of a clip at each place, with a bias by how far apart they are.
class TemporalAttention {
 public:
  TemporalAttention(const Config& config, int64_t channels, const ModuleOptions& options);

  /// `bias_BHTT`: logits of the frames' distance; minus infinity where a frame is not seen.
  at::Tensor forward(const at::Tensor& x_FCHW, const at::Tensor& bias_BHTT, int64_t frames) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  int64_t heads_;
  GroupNorm norm_;
  Affine qkv_, out_;
};

/// Two convolutions over three frames each, beside a shortcut.
class TemporalConvolution {
 public:
  TemporalConvolution(const Config& config, int64_t channels, const ModuleOptions& options);

  /// `clips_F111` is 0 at frames of pictures, which pass as they are, and 1 at others.
  at::Tensor forward(const at::Tensor& x_FCHW, const at::Tensor& clips_F111, int64_t frames) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  GroupNorm norm1_, norm2_;
  Affine conv1_, conv2_;
};

}  // namespace torchsight::imagen_video
