// The product kernels' one implementation, compiled once for each vector width that includes it.
#pragma once

#include <c10/util/Unroll.h>

#include <array>
#include <cmath>
#include <utility>

#include "nn/product_kernels.h"
#include "nn/vectors_impl.h"

namespace torchsight::CPU_CAPABILITY {

// Where hardware fetches ahead too late: it starts anew in each row and at the end of each page.
// Long rows are fetched a page ahead. Of short ones, this fetches a share of the kOuts rows that
// follow in memory: when these rows are done, all of the next ones are near.
template <int kOuts, bool kLongRows, typename Weight>
inline void prefetch(Rows<const Weight> w, int64_t i) {
#if defined(__GNUC__)
  constexpr int64_t kPage = 4096 / sizeof(Weight), kLine = 64 / sizeof(Weight);
  const auto fetch = [](const Weight* from) {
    __builtin_prefetch(from, /*write=*/0, /*locality=*/2);
  };
  if constexpr (kLongRows) {
    for (int o = 0; o < kOuts; ++o) fetch(w[o] + i + kPage);
  } else {
    for (int64_t k = 0; k < kOuts * Vec::size(); k += kLine) fetch(w[kOuts] + kOuts * i + k);
  }
#endif
}

// f(0), f(1) ... as an array that the compiler keeps in registers: it has no loop to fill it.
template <int kCount, typename F>
inline std::array<Vec, kCount> vectors(const F& f) {
  return [&]<int... k>(std::integer_sequence<int, k...>) {
    return std::array<Vec, kCount>{f(k)...};
  }
  (std::make_integer_sequence<int, kCount>());
}

// kRows rows of the result by kOuts columns.
template <int kRows, int kOuts, bool kLongRows, typename Weight>
inline void multiply_tile(Rows<const float> x, Rows<const Weight> w, const float* scale,
                          int64_t length, Rows<float> y) {
  const c10::ForcedUnroll<kRows> each_row;
  const c10::ForcedUnroll<kOuts> each_out;
  auto sums = vectors<kRows * kOuts>([](int) { return Vec(0.0f); });
  int64_t i = 0;
  for (; i + Vec::size() <= length; i += Vec::size()) {
    if constexpr (sizeof(Weight) < sizeof(float)) prefetch<kOuts, kLongRows>(w, i);
    const auto x_part = vectors<kRows>([&](int r) { return Vec::loadu(x[r] + i); });
    each_out([&](auto o) {
      const Vec w_part = load(w[o] + i);
      each_row([&](auto r) {
        Vec& total = sums[r * kOuts + o];
        total = at::vec::fmadd(w_part, x_part[r], total);
      });
    });
  }
  each_row([&](auto r) { each_out([&](auto o) { y[r][o] = sum(sums[r * kOuts + o]); }); });
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOuts; ++o) {
      for (int64_t k = i; k < length; ++k) y[r][o] += x[r][k] * static_cast<float>(w[o][k]);
      if (scale) y[r][o] *= scale[o];
    }
  }
}

// As many as there are registers for, with four columns.
#if defined(CPU_CAPABILITY_AVX2)
constexpr int64_t kTileRows = 3;
#else
constexpr int64_t kTileRows = 4;
#endif

// All rows of x with kOuts rows of w, which come from memory for the first tile only.
template <int kOuts, bool kLongRows, typename Weight>
inline void multiply_strip(Rows<const float> x, Rows<const Weight> w, const float* scale,
                           int64_t length, Rows<float> y) {
  for (int64_t r = 0; r < x.count; r += kTileRows) {
    const Rows<const float> part = x.from(r, std::min(kTileRows, x.count - r));
    const Rows<float> result = y.from(r, part.count);
    const auto tile = [&](auto rows) {
      if (part.count == rows) {
        multiply_tile<rows, kOuts, kLongRows>(part, w, scale, length, result);
      }
    };
    c10::ForcedUnroll<kTileRows>()([&](auto k) { tile(std::integral_constant<int, k + 1>()); });
  }
}

template <bool kLongRows, typename Weight>
void multiply_strips(Rows<const float> x, Rows<const Weight> w, const float* scale, int64_t length,
                     Rows<float> y) {
  constexpr int kOuts = 4;
  const auto strip = [&](auto outs, int64_t o) {
    multiply_strip<outs, kLongRows>(x, w.from(o, outs), scale ? scale + o : scale, length,
                                    Rows<float>{y.data + o, y.count, y.stride});
  };
  int64_t o = 0;
  for (; o + kOuts <= w.count; o += kOuts) strip(std::integral_constant<int, kOuts>(), o);
  for (; o < w.count; ++o) strip(std::integral_constant<int, 1>(), o);
}

template <typename Weight>
void multiply(Rows<const float> x, Rows<const Weight> w, const float* scale, int64_t length,
              Rows<float> y) {
  const bool long_rows = length * sizeof(Weight) > (size_t{1} << 14);
  (long_rows ? multiply_strips<true, Weight> : multiply_strips<false, Weight>)(x, w, scale, length,
                                                                               y);
}

template <typename Weight>
void widen(const Weight* w, float scale, int64_t length, float* y) {
  const Vec factor(scale);
  int64_t i = 0;
  for (; i + Vec::size() <= length; i += Vec::size()) (load(w + i) * factor).store(y + i);
  if (i < length) (load(w + i, length - i) * factor).store(y + i, length - i);
}

// kOuts rows of w, each number loaded once for all rows of x.
template <int kOuts, typename Weight>
inline void accumulate_strip(Rows<const float> x, Rows<const Weight> w, int64_t length,
                             Rows<float> y) {
  int64_t i = 0;
  for (; i + Vec::size() <= length; i += Vec::size()) {
    const auto w_part = vectors<kOuts>([&](int o) { return load(w[o] + i); });
    for (int64_t r = 0; r < x.count; ++r) {
      Vec total = Vec::loadu(y[r] + i);
      c10::ForcedUnroll<kOuts>()(
          [&](auto o) { total = at::vec::fmadd(w_part[o], Vec(x[r][o]), total); });
      total.store(y[r] + i);
    }
  }
  for (; i < length; ++i) {
    for (int64_t r = 0; r < x.count; ++r) {
      for (int o = 0; o < kOuts; ++o) y[r][i] += x[r][o] * static_cast<float>(w[o][i]);
    }
  }
}

template <typename Weight>
void accumulate(Rows<const float> x, Rows<const Weight> w, int64_t length, Rows<float> y) {
  constexpr int kOuts = 4;
  int64_t o = 0;
  const auto from = [&] { return Rows<const float>{x.data + o, x.count, x.stride}; };
  for (; o + kOuts <= w.count; o += kOuts) {
    accumulate_strip<kOuts>(from(), w.from(o, kOuts), length, y);
  }
  for (; o < w.count; ++o) accumulate_strip<1>(from(), w.from(o, 1), length, y);
}

inline float quantize(const float* x, int64_t length, int8_t* q) {
  Vec most(0.0f);
  for (int64_t i = 0; i < length; i += Vec::size()) {
    const int64_t count = std::min<int64_t>(Vec::size(), length - i);
    most = at::vec::maximum(most, Vec::loadu(x + i, count).abs());
  }
  const float scale = largest(most) / 127.0f;
  if (!std::isfinite(scale) || scale == 0) {
    std::fill_n(q, length, 0);
    return scale;
  }
  // Scales that are not normal numbers are coarse: the bounds hold for them as well.
  const Vec divisor(scale), low(-127.0f), high(127.0f);
  float lanes[Vec::size()];
  for (int64_t i = 0; i < length; i += Vec::size()) {
    const int64_t count = std::min<int64_t>(Vec::size(), length - i);
    at::vec::clamp((Vec::loadu(x + i, count) / divisor).round(), low, high).store(lanes);
    for (int64_t k = 0; k < count; ++k) q[i + k] = static_cast<int8_t>(lanes[k]);
  }
  return scale;
}

template <typename Weight>
inline constexpr FormatKernels<Weight> kFormatKernels{&multiply<Weight>, &widen<Weight>,
                                                      &accumulate<Weight>};

inline constexpr ProductKernels kProductKernels{
    kFormatKernels<float>, kFormatKernels<c10::BFloat16>, kFormatKernels<c10::Half>,
    kFormatKernels<int8_t>, &quantize};

}  // namespace torchsight::CPU_CAPABILITY
