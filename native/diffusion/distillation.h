// What a student learns from a teacher.
#pragma once

#include "diffusion/guidance.h"

namespace torchsight::diffusion {

/// A point of the forward process and what a student should say there, in all terms.
struct StudentTarget {
  at::Tensor z_BS;
  at::Tensor logsnr_B;  // float64 on the CPU
  Denoised parts;
  Level level;
};

/// Progressive distillation (Salimans and Ho, arXiv 2202.00512, algorithm 2): the x for which one
/// DDIM step of a student of `steps` steps ends where two of the teacher end. `step_B` (int64 [B]
/// on the CPU, from 0 to steps - 1) is the step that each sample learns: from t = (step + 1) /
/// steps. The teacher is asked without gradients, and its x is not clipped.
StudentTarget progressive_target(Denoiser& teacher, const NoiseSchedule& schedule,
                                 const at::Tensor& x_BS, const at::Tensor& epsilon_BS,
                                 const at::Tensor& step_B, int64_t steps,
                                 const NamedTensors& conditions, JobContext& context);

/// Distillation of guidance (Meng et al., arXiv 2210.03142, section 3.1): the teacher's guided
/// output at `z_BS`, for a student that takes the weight `weight_B` as an input.
at::Tensor guidance_target(Denoiser& teacher, const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                           const Conditions& conditions, const at::Tensor& weight_B,
                           JobContext& context);

}  // namespace torchsight::diffusion
