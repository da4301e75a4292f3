#include "diffusion/augmentation.h"

#include <ATen/ATen.h>

#include <cmath>

#include "runtime/error.h"

namespace torchsight::diffusion {

Augmented augmented(const at::Tensor& c_BS, const at::Tensor& logsnr_B, const NoiseStreams& streams,
                    int64_t draw) {
  return {noised(c_BS, streams.normal(c_BS, draw), Level::each(logsnr_B, c_BS)), logsnr_B};
}

Augmented augmented_at_random(const at::Tensor& c_BS, const NoiseSchedule& schedule,
                              const NoiseStreams& streams, int64_t draw) {
  return augmented(c_BS, schedule.logsnr(streams.uniform(draw)), streams, draw + 1);
}

Augmented augmented_at(const at::Tensor& c_BS, double snr, const NoiseStreams& streams,
                       int64_t draw) {
  if (!(snr > 0) || !std::isfinite(snr)) {
    throw Error(ErrorCode::kBadInput,
                "expected a number above 0 for the ratio of signal to noise but received " +
                    std::to_string(snr));
  }
  return augmented(c_BS, at::full({c_BS.size(0)}, std::log(snr), at::kDouble), streams, draw);
}

}  // namespace torchsight::diffusion
