#include "nn/decoder/rotary.h"

#include <ATen/ATen.h>

namespace torchsight {

Rotation make_rotation(const at::Tensor& positions_BT, int64_t head_width, double theta,
                       at::ScalarType dtype) {
  // transformers works the angles out in float32, whatever the model's type.
  const auto numbers = at::TensorOptions().dtype(at::kFloat).device(positions_BT.device());
  const at::Tensor share_f = at::arange(0, head_width, 2, numbers) / head_width;
  const at::Tensor frequency_f = at::reciprocal(at::pow(theta, share_f));
  const at::Tensor angle_BTf = positions_BT.to(at::kFloat).unsqueeze(-1) * frequency_f;
  return {angle_BTf.cos().to(dtype), angle_BTf.sin().to(dtype)};
}

void rotate_(at::Tensor x_BTHe, const Rotation& rotation) {
  const int64_t half = x_BTHe.size(3) / 2;
  at::Tensor first_BTHf = x_BTHe.narrow(3, 0, half), second_BTHf = x_BTHe.narrow(3, half, half);
  const at::Tensor cos_BT1f = rotation.cos_BTf.unsqueeze(2);
  const at::Tensor sin_BT1f = rotation.sin_BTf.unsqueeze(2);
  const at::Tensor turned_BTHf = first_BTHf * cos_BT1f - second_BTHf * sin_BT1f;
  second_BTHf.copy_(second_BTHf * cos_BT1f + first_BTHf * sin_BT1f);
  first_BTHf.copy_(turned_BTHf);
}

}  // namespace torchsight
