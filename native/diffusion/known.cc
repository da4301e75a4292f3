#include "diffusion/known.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace torchsight::diffusion {

at::Tensor Known::replaced(const at::Tensor& z_BS, const Level& level,
                           const at::Tensor& noise_BS) const {
  return at::where(mask_BS, noised(values_BS, noise_BS, level), z_BS);
}

at::Tensor Known::completed(const at::Tensor& x_BS) const {
  return at::where(mask_BS, values_BS, x_BS);
}

at::Tensor Known::reconstructed(const at::Tensor& z_BS, const Level& level,
                                const std::function<at::Tensor(const at::Tensor&)>& x_of_z) const {
  at::Tensor x_BS, gradient_BS;
  {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor leaf_BS = z_BS.detach().requires_grad_(true);
    x_BS = x_of_z(leaf_BS);
    // Of this input alone, so that no weight collects anything.
    (at::where(mask_BS, values_BS - x_BS, 0).square().sum())
        .backward({}, std::nullopt, false, at::TensorList(leaf_BS));
    gradient_BS = leaf_BS.grad();
  }
  const at::NoGradGuard no_gradients;
  const at::Tensor moved_BS = x_BS.detach() - gradient_BS * (level.alpha * (weight / 2));
  return at::where(mask_BS, x_BS.detach(), moved_BS);
}

}  // namespace torchsight::diffusion
