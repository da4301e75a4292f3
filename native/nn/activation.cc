#include "nn/activation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "nn/row_kernels.h"

namespace torchsight {
namespace {

// `kernel` over each row.
void activate_rows(at::Tensor& x_RF, const at::Tensor& bias_F,
                   void (*kernel)(float* x, const float* bias, int64_t length)) {
  const int64_t columns = x_RF.size(1), stride = x_RF.stride(0);
  float* const data = x_RF.mutable_data_ptr<float>();
  const float* const bias = bias_F.defined() ? bias_F.const_data_ptr<float>() : nullptr;
  at::parallel_for(0, x_RF.size(0), 1, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) kernel(data + row * stride, bias, columns);
  });
}

}  // namespace

void activate_(at::Tensor x_RF, const at::Tensor& bias_F, Activation activation) {
  const bool rows_contiguous = x_RF.stride(1) == 1;
  const bool fast = x_RF.is_cpu() && x_RF.scalar_type() == at::kFloat && rows_contiguous &&
                    (!bias_F.defined() || bias_F.is_contiguous());
  const bool tanh = activation == Activation::kGeluTanh,
             quick = activation == Activation::kQuickGelu;
  if (fast && (tanh || quick)) {
    activate_rows(x_RF, bias_F, tanh ? row_kernels().gelu_tanh : row_kernels().gelu_quick);
    return;
  }
  if (bias_F.defined()) x_RF.add_(bias_F);
  if (quick) {
    x_RF.mul_(at::sigmoid(x_RF * kQuickGeluSlope));
  } else if (activation != Activation::kNone) {
    at::gelu_(x_RF, tanh ? "tanh" : "none");
  }
}

at::Tensor activated(const at::Tensor& x, Activation activation) {
  if (activation == Activation::kNone) return x;
  if (activation == Activation::kQuickGelu) return x * at::sigmoid(x * kQuickGeluSlope);
  return at::gelu(x, activation == Activation::kGeluTanh ? "tanh" : "none");
}

at::Tensor gated(const at::Tensor& x_R2F, Activation activation) {
  const int64_t hidden = x_R2F.size(1) / 2, stride = x_R2F.stride(0);
  if (activation == Activation::kGeluTanh && x_R2F.is_cpu() && x_R2F.scalar_type() == at::kFloat &&
      x_R2F.stride(1) == 1) {
    at::Tensor y_RF = at::empty({x_R2F.size(0), hidden}, x_R2F.options());
    const float* const x = x_R2F.const_data_ptr<float>();
    float* const y = y_RF.mutable_data_ptr<float>();
    const auto kernel = row_kernels().gated_gelu;
    at::parallel_for(0, x_R2F.size(0), 1, [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        kernel(x + row * stride, x + row * stride + hidden, y + row * hidden, hidden);
      }
    });
    return y_RF;
  }
  const std::vector<at::Tensor> halves_RF = x_R2F.chunk(2, 1);
  activate_(halves_RF[0], {}, activation);
  return halves_RF[0] * halves_RF[1];
}

}  // namespace torchsight
