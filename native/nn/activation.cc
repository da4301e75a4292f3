#include "nn/activation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "nn/row_kernels.h"

namespace torchsight {
namespace {

void fast_gelu_tanh(at::Tensor& x_RF, const at::Tensor& bias_F) {
  const int64_t columns = x_RF.size(1), stride = x_RF.stride(0);
  float* const data = x_RF.mutable_data_ptr<float>();
  const float* const bias = bias_F.defined() ? bias_F.const_data_ptr<float>() : nullptr;
  const auto gelu = row_kernels().gelu_tanh;
  at::parallel_for(0, x_RF.size(0), 1, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) gelu(data + row * stride, bias, columns);
  });
}

}  // namespace

void activate_(at::Tensor x_RF, const at::Tensor& bias_F, Activation activation) {
  const bool rows_contiguous = x_RF.stride(1) == 1;
  if (activation == Activation::kGeluTanh && x_RF.is_cpu() && x_RF.scalar_type() == at::kFloat &&
      rows_contiguous && (!bias_F.defined() || bias_F.is_contiguous())) {
    fast_gelu_tanh(x_RF, bias_F);
    return;
  }
  if (bias_F.defined()) x_RF.add_(bias_F);
  if (activation == Activation::kNone) return;
  at::gelu_(x_RF, activation == Activation::kGeluTanh ? "tanh" : "none");
}

}  // namespace torchsight
