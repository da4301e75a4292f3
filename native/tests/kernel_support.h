// What tests of kernels share.
#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <type_traits>
#include <vector>

#include "nn/product_kernels.h"

namespace torchsight {

/// The widths of vectors that this machine runs.
inline std::vector<CpuCapability> capabilities() {
  std::vector<CpuCapability> all{CpuCapability::kDefault, CpuCapability::kAvx2,
                                 CpuCapability::kAvx512};
  all.resize(static_cast<size_t>(cpu_capability()) + 1);
  return all;
}

inline double difference(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

template <typename Number>
Rows<const Number> rows_of(const at::Tensor& matrix) {
  return {matrix.const_data_ptr<Number>(), matrix.size(0), matrix.stride(0)};
}

inline Rows<float> written_rows(at::Tensor& matrix) {
  return {matrix.mutable_data_ptr<float>(), matrix.size(0), matrix.stride(0)};
}

/// `values`, but as the columns from `skip` of a wider matrix: rows lie apart and not aligned.
inline at::Tensor apart(const at::Tensor& values, int64_t skip = 3) {
  at::Tensor wide = at::zeros({values.size(0), values.size(1) + skip + 2}, values.options());
  wide.narrow(1, skip, values.size(1)).copy_(values);
  return wide.narrow(1, skip, values.size(1));
}

template <typename Number>
at::Tensor random_weights(at::IntArrayRef sizes) {
  constexpr at::ScalarType dtype = c10::CppTypeToScalarType<Number>::value;
  if constexpr (std::is_same_v<Number, int8_t>) return at::randint(-127, 128, sizes, dtype);
  return at::randn(sizes).to(dtype);
}

}  // namespace torchsight
