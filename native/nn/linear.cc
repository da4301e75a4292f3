#include "nn/linear.h"

#include <ATen/ATen.h>

#include "nn/blocked_linear.h"
#include "nn/derivative.h"

namespace torchsight {

at::Tensor pack_weight(const at::Tensor& weight_OI, LinearKernel kernel, int64_t rows) {
  if (kernel == LinearKernel::kTurned) return weight_OI.t().contiguous();
  if (kernel == LinearKernel::kBlocked) return blocked::pack(weight_OI, rows);
  return weight_OI;
}

at::Tensor unpack_weight(const at::Tensor& packed, LinearKernel kernel) {
  if (kernel == LinearKernel::kTurned) return packed.t().contiguous();
  if (kernel == LinearKernel::kBlocked) return packed.to_dense();
  return packed;
}

at::Tensor apply_linear(const at::Tensor& x_RI, const at::Tensor& packed, LinearKernel kernel,
                        const at::Tensor& bias_O, Activation activation) {
  if (needs_derivative(x_RI, packed, bias_O)) {
    const auto bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
    return activated(at::linear(x_RI, packed, bias), activation);
  }
  if (kernel == LinearKernel::kBlocked) return blocked::linear(x_RI, packed, bias_O, activation);
  // On cards bias and activation cost nothing at the end of the product. Its GELU is the tanh form.
  if (x_RI.is_cuda() && bias_O.defined() && activation == Activation::kGeluTanh) {
    return at::_addmm_activation(bias_O, x_RI, packed.t(), 1, 1, /*use_gelu=*/true);
  }
  if (x_RI.is_cuda() && bias_O.defined() && activation == Activation::kNone) {
    return at::addmm(bias_O, x_RI, packed.t());
  }
  at::Tensor y_RO = at::mm(x_RI, kernel == LinearKernel::kTurned ? packed : packed.t());
  activate_(y_RO, bias_O, activation);
  return y_RO;
}

at::Tensor Linear::operator()(const at::Tensor& x_RI, const at::Tensor& bias_O) {
  if (float8_) {
    return float8::product(float8::to_rows(x_RI), *float8_, bias_O, x_RI.scalar_type());
  }
  prepare(x_RI);
  return apply_linear(x_RI, weight_, kernel_, bias_O, Activation::kNone);
}

at::Tensor Linear::add(const at::Tensor& x_RI, at::Tensor sum_RO, const at::Tensor& bias_O) {
  if (float8_) return sum_RO.add_((*this)(x_RI, bias_O));
  if (needs_derivative(x_RI, sum_RO, weight_, bias_O)) return sum_RO + (*this)(x_RI, bias_O);
  prepare(x_RI);
  if (kernel_ == LinearKernel::kBlocked) return blocked::linear_add(x_RI, sum_RO, weight_, bias_O);
  if (bias_O.defined()) sum_RO.add_(bias_O);
  return sum_RO.addmm_(x_RI, kernel_ == LinearKernel::kTurned ? weight_ : weight_.t());
}

at::Tensor Linear::weight() {
  weight_ = unpack_weight(weight_, kernel_);
  kernel_ = LinearKernel::kPlain;
  chosen_ = false;
  return weight_;
}

void Linear::to_float8() {
  if (float8_) return;
  float8_ = float8::to_rows(weight());
  weight_ = at::empty_like(weight_, at::TensorOptions().device(at::kMeta));
}

void Linear::prepare(const at::Tensor& x_RI) {
  if (needs_derivative(x_RI, weight_)) {
    weight();
    return;
  }
  const int64_t rows = x_RI.size(0);
  if (weight_.requires_grad() || chosen_ ||
      !worth_choosing(rows, weight_.numel(), weight_.options()))
    return;
  kernel_ = choose_linear_kernel(rows, {{weight_.size(0), weight_.size(1)}});
  weight_ = pack_weight(weight_, kernel_, rows);
  chosen_ = true;
}

}  // namespace torchsight
