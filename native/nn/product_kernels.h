// Kernels that multiply a few rows of float32 numbers with a matrix of any format. The matrix comes
// from memory once, whatever the number of rows: that is the bound of these products.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstdint>

#include "nn/cpu_capability.h"

namespace torchsight {

/// Rows of numbers whose beginnings are `stride` numbers apart.
template <typename Number>
struct Rows {
  Number* data;
  int64_t count;
  int64_t stride;

  Number* operator[](int64_t row) const { return data + row * stride; }
  Rows from(int64_t row, int64_t rows) const { return {(*this)[row], rows, stride}; }
};

/// For weights in one format; all arithmetic is in float32.
template <typename Weight>
struct FormatKernels {
  /// y[r, o] <- scale[o] sum_i x[r, i] w[o, i], with `length` numbers in each row of x and w.
  /// `scale` may be null.
  void (*multiply)(Rows<const float> x, Rows<const Weight> w, const float* scale, int64_t length,
                   Rows<float> y);
  /// y[i] <- scale w[i].
  void (*widen)(const Weight* w, float scale, int64_t length, float* y);
  /// y[r, i] <- y[r, i] + sum_o x[r, o] w[o, i], with `length` numbers in each row of w and y.
  void (*accumulate)(Rows<const float> x, Rows<const Weight> w, int64_t length, Rows<float> y);
};

struct ProductKernels {
  FormatKernels<float> float32;
  FormatKernels<c10::BFloat16> bfloat16;
  FormatKernels<c10::Half> float16;
  FormatKernels<int8_t> int8;
  /// q[i] <- x[i] / scale to the nearest integer, ties to even. Returns scale = max |x| / 127; it
  /// is not finite, and q zero, where x has NaN or infinity.
  float (*quantize)(const float* x, int64_t length, int8_t* q);

  template <typename Weight>
  const FormatKernels<Weight>& of() const;
};

template <>
inline const FormatKernels<float>& ProductKernels::of() const {
  return float32;
}
template <>
inline const FormatKernels<c10::BFloat16>& ProductKernels::of() const {
  return bfloat16;
}
template <>
inline const FormatKernels<c10::Half>& ProductKernels::of() const {
  return float16;
}
template <>
inline const FormatKernels<int8_t>& ProductKernels::of() const {
  return int8;
}

/// The kernels for vectors of a width that this CPU runs.
const ProductKernels& product_kernels(CpuCapability capability = cpu_capability());

}  // namespace torchsight
