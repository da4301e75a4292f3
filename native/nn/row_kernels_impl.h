// The row kernels' one implementation, compiled once for each vector width that includes it.
#pragma once

#include <cmath>
#include <limits>

#include "nn/row_kernels.h"
#include "nn/vectors_impl.h"

namespace torchsight::CPU_CAPABILITY {

// sqrt(2 / pi), by the formula 0.5 x (1 + tanh(c (x + 0.044715 x^3))).
constexpr float kGeluScale = 0.7978845608028654f;
constexpr float kGeluCubic = 0.044715f;

// v / (1 + exp(exponent)).
inline Vec gated(const Vec& value, const Vec& exponent) {
  return value / (Vec(1.0f) + exponent.exp_u20());
}

// 0.5 v (1 + tanh(t)) = v / (1 + exp(-2 t)): one exponential and one division.
inline Vec gelu_tanh(const Vec& value) {
  const Vec scale(-2 * kGeluScale), cubic(-2 * kGeluScale * kGeluCubic);
  return gated(value, value * at::vec::fmadd(value * value, cubic, scale));
}

inline Vec gelu_quick(const Vec& value) {
  return gated(value, value * Vec(-kQuickGeluSlope));
}

// f(begin, count) for each vector of a row; only the last may have less than all lanes.
template <typename F>
inline void each_vector(int64_t length, const F& f) {
  for (int64_t i = 0; i < length; i += Vec::size()) {
    f(i, std::min<int64_t>(Vec::size(), length - i));
  }
}

template <Vec (*activation)(const Vec&)>
inline void activate(float* x, const float* bias, int64_t length) {
  each_vector(length, [&](int64_t i, int64_t count) {
    Vec value = Vec::loadu(x + i, count);
    if (bias) value = value + Vec::loadu(bias + i, count);
    activation(value).store(x + i, count);
  });
}

inline void gated_gelu(const float* gate, const float* up, float* y, int64_t length) {
  each_vector(length, [&](int64_t i, int64_t count) {
    const Vec factor = gelu_tanh(Vec::loadu(gate + i, count));
    (factor * Vec::loadu(up + i, count)).store(y + i, count);
  });
}

inline void rotate(float* x, const float* cos, const float* sin, int64_t length) {
  const int64_t half = length / 2;
  float *const first = x, *const second = x + half;
  each_vector(half, [&](int64_t i, int64_t count) {
    const Vec a = Vec::loadu(first + i, count), b = Vec::loadu(second + i, count);
    const Vec c = Vec::loadu(cos + i, count), s = Vec::loadu(sin + i, count);
    (a * c - b * s).store(first + i, count);
    (b * c + a * s).store(second + i, count);
  });
}

// tanh y = 1 - 2 / (1 + exp(2 y)) far from zero; near it, where that would cancel, Lambert's
// continued fraction y / (1 + y^2 / (3 + y^2 / (5 + ...))).
inline Vec hyperbolic_tangent(const Vec& y) {
  const Vec one(1.0f), two(2.0f), square = y * y;
  const Vec far = one - two / (one + (y * two).exp_u20());
  Vec fraction(11.0f);
  for (const float odd : {9.0f, 7.0f, 5.0f, 3.0f, 1.0f}) fraction = Vec(odd) + square / fraction;
  return Vec::blendv(far, y / fraction, y.abs() < Vec(0.75f));
}

inline SoftmaxPart soften(float* x, int64_t length, float scale, float cap) {
  Vec most(-std::numeric_limits<float>::infinity());
  each_vector(length, [&](int64_t i, int64_t count) {
    Vec value = Vec::loadu(x + i, count) * Vec(scale);
    if (cap != 0) value = hyperbolic_tangent(value / Vec(cap)) * Vec(cap);
    value.store(x + i, count);
    most = Vec::set(most, at::vec::maximum(most, value), count);
  });
  const SoftmaxPart part{largest(most), 0};
  Vec total(0.0f);
  each_vector(length, [&](int64_t i, int64_t count) {
    const Vec value = (Vec::loadu(x + i, count) - Vec(part.largest)).exp_u20();
    value.store(x + i, count);
    total = Vec::set(total, total + value, count);
  });
  return {part.largest, sum(total)};
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

inline constexpr RowKernels kRowKernels{
    &activate<gelu_tanh>, &activate<gelu_quick>, &normalize, &gated_gelu, &rotate, &soften};

}  // namespace torchsight::CPU_CAPABILITY
