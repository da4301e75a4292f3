// y = x W^T + b, by whichever of libtorch's kernels is fastest on this machine. Modules that share
// one device take turns, so none of this is for two threads at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "nn/activation.h"
#include "nn/float8_linear.h"
#include "nn/linear_kernel.h"

namespace torchsight {

/// `weight_OI` in the layout of `kernel`, for products with about `rows` rows.
at::Tensor pack_weight(const at::Tensor& weight_OI, LinearKernel kernel, int64_t rows);
/// The inverse of `pack_weight`.
at::Tensor unpack_weight(const at::Tensor& packed, LinearKernel kernel);
/// activation(x W^T + bias) for a weight in the layout of `kernel`; `bias` may be undefined. Where
/// a derivative is needed the layout must be the plain one.
at::Tensor apply_linear(const at::Tensor& x_RI, const at::Tensor& packed, LinearKernel kernel,
                        const at::Tensor& bias_O, Activation activation);

/// A weight and its products. The first large product moves it into the layout that is fastest for
/// it and releases the plain copy, but for weights that require gradients.
class Linear {
 public:
  Linear() = default;
  explicit Linear(at::Tensor weight_OI) : weight_(std::move(weight_OI)) {}

  /// [rows, in] -> [rows, out]: x W^T + bias.
  at::Tensor operator()(const at::Tensor& x_RI, const at::Tensor& bias_O = {});
  /// sum + x W^T + bias. May use the memory of `sum`.
  at::Tensor add(const at::Tensor& x_RI, at::Tensor sum_RO, const at::Tensor& bias_O = {});

  /// The weight as plain memory, in which it stays until the next large product: what is written
  /// there counts. On the meta device, so without memory, once it is float8.
  at::Tensor weight();

  /// Turns the weight into float8 numbers and releases the memory it had.
  void to_float8();

 private:
  void prepare(const at::Tensor& x_RI);

  at::Tensor weight_;
  LinearKernel kernel_ = LinearKernel::kPlain;
  bool chosen_ = false;
  std::optional<float8::Rows> float8_;
};

}  // namespace torchsight
