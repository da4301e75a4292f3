// The row kernels' one implementation, compiled once for each vector width that includes it.
#pragma once

#include <cmath>

#include "nn/row_kernels.h"
#include "nn/vectors_impl.h"

namespace torchsight::CPU_CAPABILITY {

// sqrt(2 / pi), by the formula 0.5 x (1 + tanh(c (x + 0.044715 x^3))).
constexpr float kGeluScale = 0.7978845608028654f;
constexpr float kGeluCubic = 0.044715f;

// x <- v / (1 + exp(exponent(v))), where v = x + bias.
template <typename Exponent>
inline void gate(float* x, const float* bias, int64_t length, const Exponent& exponent) {
  const Vec one(1.0f);
  for (int64_t i = 0; i < length; i += Vec::size()) {
    const int64_t count = std::min<int64_t>(Vec::size(), length - i);
    Vec value = Vec::loadu(x + i, count);
    if (bias) value = value + Vec::loadu(bias + i, count);
    const Vec result = value / (one + exponent(value).exp_u20());
    result.store(x + i, count);
  }
}

inline void gelu_tanh(float* x, const float* bias, int64_t length) {
  // 0.5 (1 + tanh(t)) = 1 / (1 + exp(-2 t)): one exponential and one division.
  const Vec scale(-2 * kGeluScale), cubic(-2 * kGeluScale * kGeluCubic);
  gate(x, bias, length,
       [&](const Vec& value) { return value * at::vec::fmadd(value * value, cubic, scale); });
}

inline void gelu_quick(float* x, const float* bias, int64_t length) {
  const Vec slope(-kQuickGeluSlope);
  gate(x, bias, length, [&](const Vec& value) { return value * slope; });
}

inline void normalize(const float* x, float* y, int64_t length, const float* weight,
                      const float* bias, float eps, bool centre) {
  float mean = 0;
  if (centre) {
    Vec total(0.0f);
    // A partial load fills its missing lanes with zeros.
    for (int64_t i = 0; i < length; i += Vec::size()) {
      total = total + Vec::loadu(x + i, std::min<int64_t>(Vec::size(), length - i));
    }
    mean = sum(total) / static_cast<float>(length);
  }
  const Vec shift(mean);
  Vec squares(0.0f);
  int64_t i = 0;
  for (; i + Vec::size() <= length; i += Vec::size()) {
    const Vec value = Vec::loadu(x + i) - shift;
    squares = at::vec::fmadd(value, value, squares);
  }
  float total = sum(squares);
  for (; i < length; ++i) total += (x[i] - mean) * (x[i] - mean);
  const Vec scale(1.0f / std::sqrt(total / static_cast<float>(length) + eps));
  for (i = 0; i < length; i += Vec::size()) {
    const int64_t count = std::min<int64_t>(Vec::size(), length - i);
    Vec value = (Vec::loadu(x + i, count) - shift) * scale;
    if (weight) value = value * Vec::loadu(weight + i, count);
    if (bias) value = value + Vec::loadu(bias + i, count);
    value.store(y + i, count);
  }
}

inline constexpr RowKernels kRowKernels{&gelu_tanh, &gelu_quick, &normalize};

}  // namespace torchsight::CPU_CAPABILITY
