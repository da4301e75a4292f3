// y = x W^T for the weights of a decoder: on a CPU, float32 numbers times a weight of any format.
// A step of decoding is as fast as its weights come from memory, so fewer bytes mean more steps.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight {

class CompactLinear {
 public:
  CompactLinear() = default;
  /// Of any floating dtype, on any device. The memory is shared: what is written there counts.
  explicit CompactLinear(at::Tensor weight_OI);

  /// Turns the weight into int8 numbers with a scale for each output row, scale = max |w| / 127,
  /// and releases the memory it had. Rows that are not finite become NaN.
  void quantize();
  bool quantized() const { return scale_O_.defined(); }
  at::IntArrayRef shape() const { return weight_OI_.sizes(); }

  /// [rows, in] -> [rows, out]: x W^T in the dtype of `x`. On a CPU, float32 rows meet the numbers
  /// of the weight in float32 arithmetic, whatever their format; so do up to 8 rows, float32 or
  /// bfloat16, and int8 weights on CUDA. Elsewhere, and for other rows, products are in the dtype
  /// of the weight, or of `x` if the weight is int8. Has no derivative:
  /// throws `Error(kUnsupported)` where one is needed.
  at::Tensor operator()(const at::Tensor& x_RI) const;

  /// The weight [out, in]: the memory itself, or, once quantised, the float32 numbers it stands
  /// for.
  at::Tensor dense() const;
  /// The rows `ids` [n] of the weight as float32 [n, in], or float64 where the weight is.
  at::Tensor rows(const at::Tensor& ids_n) const;

 private:
  at::Tensor weight_OI_;
  at::Tensor scale_O_;  // float32; undefined unless quantised
};

}  // namespace torchsight
