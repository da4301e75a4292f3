// The video U-Net of one stage: Ho et al., "Imagen Video" (arXiv 2210.02303), after "Video
// Diffusion Models" (arXiv 2204.03458) and Imagen's Efficient U-Net (arXiv 2205.11487, appendix B).
// The paper does not publish widths or depths.
#pragma once

#include <functional>
#include <optional>

#include "models/imagen_video/embeddings.h"

namespace torchsight::imagen_video {

/// What layers need beside the features.
struct Surroundings {
  at::Tensor e_BE;
  TextContext text;
  at::Tensor bias_BHTT;   // undefined without temporal attention
  at::Tensor clips_F111;  // undefined without temporal convolution
  int64_t frames;
  std::function<void(const std::string&, const at::Tensor&)> done;  // after each part
  bool recompute = false;  // blocks keep their inputs alone for a backward pass
};

/// Attention within and between frames, where they are on.
class Mixing {
 public:
  Mixing(const Config& config, int64_t channels, bool self, bool text,
         const ModuleOptions& options);
  at::Tensor forward(at::Tensor x_FCHW, const Surroundings& around) const;
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) const;

 private:
  std::optional<SpatialAttention> space_;
  std::optional<TemporalAttention> attention_;
  std::optional<TemporalConvolution> convolution_;
};

class Unet {
 public:
  Unet(const Config& config, const ModuleOptions& options);

  /// [F, channels in, H, W] to [F, channels, H, W].
  at::Tensor forward(const at::Tensor& x_FIHW, const Surroundings& around) const;
  std::vector<std::string> part_names() const;
  /// Dtype and device of the weights.
  at::TensorOptions memory() const { return stem_.weight.options(); }
  void add_parameters(std::vector<Parameter>& parameters) const;

 private:
  /// The blocks of a level on one way, and the convolution that changes resolution.
  struct Level {
    std::vector<ResidualBlock> blocks;
    std::vector<Mixing> mixing;  // behind each block, or (efficient) behind the last
    std::optional<Affine> resample;
  };

  bool efficient() const { return config_.kind == Kind::kEfficient; }
  /// A block and what mixes behind it, of `parts` joined over channels.
  at::Tensor run_block(const Level& level, size_t block, std::vector<at::Tensor> parts,
                       const Surroundings& around) const;
  at::Tensor middle(at::Tensor x_FCHW, const Surroundings& around) const;
  at::Tensor forward_plain(at::Tensor x_FCHW, const Surroundings& around) const;
  at::Tensor forward_efficient(at::Tensor x_FCHW, const Surroundings& around) const;

  Config config_;
  Affine stem_;
  std::vector<Level> down_, up_;  // the finest first
  std::vector<ResidualBlock> middle_blocks_;
  std::vector<Mixing> middle_mixing_;
  GroupNorm out_norm_;
  Affine out_;
};

}  // namespace torchsight::imagen_video
