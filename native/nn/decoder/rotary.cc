#include "nn/decoder/rotary.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "nn/row_kernels.h"

namespace torchsight {
namespace {

constexpr int64_t kGrainHeads = 64;  // what is worth another thread

bool fast(const at::Tensor& x_BTHe, const at::Tensor& cos_BTf) {
  return x_BTHe.is_cpu() && x_BTHe.scalar_type() == at::kFloat && x_BTHe.stride(3) == 1 &&
         cos_BTf.is_contiguous();
}

// Each head of each token by the row kernel.
void rotate_rows(at::Tensor& x_BTHe, const Rotation& rotation) {
  const int64_t tokens = x_BTHe.size(1), heads = x_BTHe.size(2), half = x_BTHe.size(3) / 2;
  const int64_t stride_b = x_BTHe.stride(0), stride_t = x_BTHe.stride(1);
  const int64_t stride_h = x_BTHe.stride(2);
  const bool shared = rotation.cos_BTf.size(0) == 1;  // one row of positions for the whole batch
  float* const data = x_BTHe.mutable_data_ptr<float>();
  const float* const cos = rotation.cos_BTf.const_data_ptr<float>();
  const float* const sin = rotation.sin_BTf.const_data_ptr<float>();
  const auto rotate = row_kernels().rotate;
  at::parallel_for(0, x_BTHe.size(0) * tokens, kGrainHeads / heads + 1,
                   [=](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row) {
                       const int64_t b = row / tokens, t = row % tokens;
                       const int64_t angle = (shared ? t : row) * half;
                       float* const token = data + b * stride_b + t * stride_t;
                       for (int64_t h = 0; h < heads; ++h) {
                         rotate(token + h * stride_h, cos + angle, sin + angle, 2 * half);
                       }
                     }
                   });
}

}  // namespace

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
  if (fast(x_BTHe, rotation.cos_BTf)) {
    rotate_rows(x_BTHe, rotation);
    return;
  }
  const int64_t half = x_BTHe.size(3) / 2;
  at::Tensor first_BTHf = x_BTHe.narrow(3, 0, half), second_BTHf = x_BTHe.narrow(3, half, half);
  const at::Tensor cos_BT1f = rotation.cos_BTf.unsqueeze(2);
  const at::Tensor sin_BT1f = rotation.sin_BTf.unsqueeze(2);
  const at::Tensor turned_BTHf = first_BTHf * cos_BT1f - second_BTHf * sin_BT1f;
  second_BTHf.copy_(second_BTHf * cos_BT1f + first_BTHf * sin_BT1f);
  first_BTHf.copy_(turned_BTHf);
}

}  // namespace torchsight
