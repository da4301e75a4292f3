#pragma once
#include <ATen/core/Tensor.h>
namespace torchsight {
at::Tensor attend_step(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                       const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                       double scale, double softcap);
}
