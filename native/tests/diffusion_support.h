// Networks whose answers are known, for tests of diffusion.
#pragma once

#include <functional>
#include <utility>

#include "diffusion/sampler.h"

namespace torchsight::test {

/// A network that is a function of z, logsnr (of all samples) and conditions.
class FunctionDenoiser final : public diffusion::Denoiser {
 public:
  using Function = std::function<at::Tensor(const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                                            const NamedTensors& conditions)>;

  FunctionDenoiser(diffusion::Prediction kind, Function function)
      : kind_(kind), function_(std::move(function)) {}

  diffusion::Prediction prediction() const override { return kind_; }
  at::Tensor predict(const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                     const NamedTensors& conditions, JobContext&) override {
    ++calls;
    return function_(z_BS, logsnr_B, conditions);
  }

  int64_t calls = 0;

 private:
  diffusion::Prediction kind_;
  Function function_;
};

/// The best network for data x ~ N(mean, deviation^2 I), whose answer is the mean of x given z. The
/// mean may come as a condition of the name `mean` instead, shaped to meet z.
FunctionDenoiser gaussian_denoiser(double mean, double deviation,
                                   diffusion::Prediction kind = diffusion::Prediction::kV);

/// A stream for each of so many samples: seeds from `seed` on.
diffusion::NoiseStreams streams_of(int64_t count, int64_t seed = 0);

}  // namespace torchsight::test
