// Noise conditioning augmentation (Ho et al., "Cascaded Diffusion Models", arXiv 2106.15282;
// Saharia et al., arXiv 2205.11487, section 2.4): a stage that enlarges sees its small input
// noised, and is told how much, so that it forgives the faults of the stage before.
#pragma once

#include "diffusion/noise.h"
#include "diffusion/schedule.h"

namespace torchsight::diffusion {

struct Augmented {
  at::Tensor c_BS;
  at::Tensor logsnr_B;  // float64 on the CPU: what the network is told
};

/// alpha c + sigma noise at the level of each sample. `draw` is of `NoiseStreams`: drawn once, the
/// noise stays the same over all steps of sampling.
Augmented augmented(const at::Tensor& c_BS, const at::Tensor& logsnr_B, const NoiseStreams& streams,
                    int64_t draw);

/// In training: the level of a uniform t for each sample. Takes two draws from `draw` on.
Augmented augmented_at_random(const at::Tensor& c_BS, const NoiseSchedule& schedule,
                              const NoiseStreams& streams, int64_t draw);

/// In sampling: one level for all, of the signal-to-noise ratio `snr`. Throws `Error(kBadInput)`
/// where that is not above 0.
Augmented augmented_at(const at::Tensor& c_BS, double snr, const NoiseStreams& streams,
                       int64_t draw);

}  // namespace torchsight::diffusion
