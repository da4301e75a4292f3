// Kernels over one row of float32 numbers. PyTorch's own operators need several passes over memory
// for what these do in one, and its tanh-GELU takes three times as long as its erf-GELU.
#pragma once

#include <cstdint>

#include "nn/cpu_capability.h"

namespace torchsight {

/// The slope in CLIP's x sigmoid(1.702 x).
inline constexpr float kQuickGeluSlope = 1.702f;

/// What a row of a softmax needs to be joined with others: softmax(v) = exp(v - largest) / sum.
struct SoftmaxPart {
  float largest;
  float sum;
};

struct RowKernels {
  /// x <- gelu(x + bias), tanh approximation. `bias` may be null.
  void (*gelu_tanh)(float* x, const float* bias, int64_t length);
  /// x <- v sigmoid(1.702 v), where v = x + bias. `bias` may be null.
  void (*gelu_quick)(float* x, const float* bias, int64_t length);
  /// y <- (x - m) / sqrt(mean((x - m)^2) + eps) * weight + bias, where m is the row's mean if
  /// `centre`, else 0. `weight` and `bias` may be null; `y` may be `x`.
  void (*normalize)(const float* x, float* y, int64_t length, const float* weight,
                    const float* bias, float eps, bool centre);
  /// y <- gelu(gate) * up, tanh approximation. `y` may be `gate` or `up`.
  void (*gated_gelu)(const float* gate, const float* up, float* y, int64_t length);
  /// Turns the pairs (x[i], x[i + length / 2]) by angles given as cosines and sines, [length / 2]
  /// each, in place. `length` is even.
  void (*rotate)(float* x, const float* cos, const float* sin, int64_t length);
  /// x <- exp(v - max v), where v = scale x, or cap tanh(scale x / cap) if `cap` is not zero.
  SoftmaxPart (*soften)(float* x, int64_t length, float scale, float cap);
};

/// The kernels for vectors of a width that this CPU runs.
const RowKernels& row_kernels(CpuCapability capability = cpu_capability());

}  // namespace torchsight
