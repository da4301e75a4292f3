// A stage as the mathematics of diffusion sees it.
#pragma once

#include "diffusion/denoiser.h"
#include "runtime/module.h"

namespace torchsight::imagen_video {

class StageDenoiser final : public diffusion::Denoiser {
 public:
  /// `module`, which outlives it, has the method `predict`.
  StageDenoiser(Module& module, diffusion::Prediction prediction)
      : module_(module), prediction_(prediction) {}

  diffusion::Prediction prediction() const override { return prediction_; }
  at::Tensor predict(const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                     const NamedTensors& conditions, JobContext& context) override;

 private:
  Module& module_;
  diffusion::Prediction prediction_;
};

}  // namespace torchsight::imagen_video
