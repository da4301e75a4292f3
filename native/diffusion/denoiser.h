// The interface between networks and the mathematics of diffusion.
#pragma once

#include "diffusion/prediction.h"
#include "runtime/job.h"
#include "runtime/tensors.h"

namespace torchsight::diffusion {

class Denoiser {
 public:
  virtual ~Denoiser() = default;

  /// What the network's output is.
  virtual Prediction prediction() const = 0;

  /// The network's output for `z_BS` at the level `logsnr_B`, float64 [B] on the CPU: of the shape
  /// of `z_BS`, in any dtype. `conditions` are the network's own (text, masks, small videos), each
  /// with B for its first dimension. Has a derivative with respect to `z_BS` where it is asked for.
  virtual at::Tensor predict(const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                             const NamedTensors& conditions, JobContext& context) = 0;
};

/// What samples are to be like.
struct Conditions {
  NamedTensors given;
  /// What guidance leads away from: the same tensors of the empty text, or of a negative prompt.
  /// Empty where there is no guidance.
  NamedTensors without = {};
};

}  // namespace torchsight::diffusion
