// What the U-Net is told beside z: noise levels, the weight of guidance and the text.
#pragma once

#include "models/imagen_video/attention.h"

namespace torchsight::imagen_video {

/// A number for each clip as a vector [B, E]: sinusoids of it, a linear layer, swish, another one.
class NumberEmbedding {
 public:
  NumberEmbedding(const Config& config, bool zero, const ModuleOptions& options);

  /// `number_B`: float64 on the CPU, of about 0 to 1000.
  at::Tensor forward(const at::Tensor& number_B) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  int64_t dim_;
  bool zero_;
  Affine first_, second_;
};

/// 1000 atan(exp(-logsnr / 2)) / (pi / 2) with logsnr within 20 of 0: 0 at data, 1000 at noise.
at::Tensor noise_number(const at::Tensor& logsnr_B);

/// The text: projected and normed for attention, with a learnt token before it that is always seen,
/// and pooled into a vector by attention of the mean (as DeepFloyd IF pools).
class TextEmbedding {
 public:
  TextEmbedding(const Config& config, const ModuleOptions& options);

  /// `text_BLW` and `mask_BL`, bool; both undefined for no text at all.
  TextContext context(int64_t batch, const at::Tensor& text_BLW, const at::Tensor& mask_BL) const;
  /// [B, E]
  at::Tensor pooled(const TextContext& context) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  int64_t heads_;
  Affine projection_, q_, k_, v_, first_, second_;
  at::Tensor norm_D_, norm_bias_D_, pool_norm_D_, pool_norm_bias_D_, null_D_, position_D_;
};

}  // namespace torchsight::imagen_video
