#include "diffusion/distillation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "runtime/error.h"

namespace torchsight::diffusion {
namespace {

Denoised ask(Denoiser& teacher, const at::Tensor& z_BS, const at::Tensor& logsnr_B,
             const NamedTensors& conditions, JobContext& context) {
  context.checkpoint();
  const at::Tensor predicted_BS =
      teacher.predict(z_BS, logsnr_B, conditions, context).to(z_BS.scalar_type());
  return denoised(teacher.prediction(), z_BS, predicted_BS, Level::each(logsnr_B, z_BS));
}

// How much of the target the teacher's second x is; the first one makes up the rest. The target is
// (z_s - r z_t) / (alpha_s - r alpha_t), r = sigma_s / sigma_t. With both steps of the teacher put
// in, the noise cancels and sigma divides out: the weight is (u_s - u_m) / (u_s - u_t) with
// u = alpha / sigma = exp(logsnr / 2). So small differences of large numbers never arise.
at::Tensor share_of_second(const at::Tensor& logsnr_t_B, const at::Tensor& logsnr_m_B,
                           const at::Tensor& logsnr_s_B, const at::Tensor& step_B) {
  const at::Tensor share_B =
      at::expm1((logsnr_m_B - logsnr_s_B) / 2) / at::expm1((logsnr_t_B - logsnr_s_B) / 2);
  return at::where(step_B == 0, 1, share_B);  // the last step ends at data
}

}  // namespace

StudentTarget progressive_target(Denoiser& teacher, const NoiseSchedule& schedule,
                                 const at::Tensor& x_BS, const at::Tensor& epsilon_BS,
                                 const at::Tensor& step_B, int64_t steps,
                                 const NamedTensors& conditions, JobContext& context) {
  const bool fits =
      step_B.dim() == 1 && step_B.size(0) == x_BS.size(0) && step_B.scalar_type() == at::kLong;
  if (!fits || step_B.lt(0).any().item<bool>() || step_B.ge(steps).any().item<bool>()) {
    throw Error(ErrorCode::kBadInput, "expected a step from 0 to " + std::to_string(steps - 1) +
                                          " for each sample but received " +
                                          c10::str(step_B.sizes()) + " of other values");
  }
  const at::NoGradGuard no_gradients;
  const at::Tensor end_B = step_B.to(at::kDouble) / static_cast<double>(steps);
  const auto logsnr = [&](double more) {
    return schedule.logsnr(end_B + more / static_cast<double>(steps));
  };
  const at::Tensor logsnr_t_B = logsnr(1), logsnr_m_B = logsnr(0.5), logsnr_s_B = logsnr(0);
  const Level t = Level::each(logsnr_t_B, x_BS);
  const at::Tensor z_BS = noised(x_BS, epsilon_BS, t);
  const Denoised first = ask(teacher, z_BS, logsnr_t_B, conditions, context);
  const at::Tensor half_BS = noised(first.x_BS, first.epsilon_BS, Level::each(logsnr_m_B, x_BS));
  const Denoised second = ask(teacher, half_BS, logsnr_m_B, conditions, context);
  std::vector<int64_t> shape(x_BS.dim(), 1);
  shape.front() = x_BS.size(0);
  const at::Tensor share_BS =
      share_of_second(logsnr_t_B, logsnr_m_B, logsnr_s_B, step_B).view(shape).to(x_BS.options());
  const at::Tensor target_BS = first.x_BS + share_BS * (second.x_BS - first.x_BS);
  return {z_BS, logsnr_t_B, {target_BS, epsilon_beside(z_BS, target_BS, t)}, t};
}

at::Tensor guidance_target(Denoiser& teacher, const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                           const Conditions& conditions, const at::Tensor& weight_B,
                           JobContext& context) {
  const at::NoGradGuard no_gradients;
  const auto predict = [&](const NamedTensors& of) {
    context.checkpoint();
    return teacher.predict(z_BS, logsnr_B, of, context).to(z_BS.scalar_type());
  };
  const at::Tensor given_BS = predict(conditions.given);
  return guided(given_BS, predict(conditions.without), weight_B);
}

}  // namespace torchsight::diffusion
