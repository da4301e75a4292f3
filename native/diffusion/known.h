// Samples of which a part is known beforehand: frames of a video, or what is around a hole.
#pragma once

#include <functional>

#include "diffusion/denoiser.h"

namespace torchsight::diffusion {

struct Known {
  enum class Method {
    /// The known part of z is what the forward process makes of the values (Song et al., arXiv
    /// 2011.13456). Nothing else tells the rest of them, so it may fit badly.
    kReplacement,
    /// Beside that, the rest is moved to where the network's own estimate of the known part gets
    /// nearer to the values (Ho et al., arXiv 2204.03458, section 3.1).
    kReconstruction,
  };

  at::Tensor values_BS;
  at::Tensor mask_BS;  // bool, true where known; broadcasts to [B, ...S]
  Method method = Method::kReconstruction;
  double weight = 2;  // w_r of kReconstruction; more than 1 works best
  /// How often a step is made, going back by noise between (Lugmayr et al., "RePaint", arXiv
  /// 2201.09865).
  int64_t repeats = 1;

  /// `z_BS` with the known part at the level, `noise_BS` being its noise.
  at::Tensor replaced(const at::Tensor& z_BS, const Level& level, const at::Tensor& noise_BS) const;
  /// `x_BS` with the known values.
  at::Tensor completed(const at::Tensor& x_BS) const;
  /// x, moved outside the known part by -w_r alpha / 2 times the gradient of |values - x|^2 over
  /// it, where `x_of_z` makes x of z.
  at::Tensor reconstructed(const at::Tensor& z_BS, const Level& level,
                           const std::function<at::Tensor(const at::Tensor&)>& x_of_z) const;
};

}  // namespace torchsight::diffusion
