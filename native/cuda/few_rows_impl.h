// A few rows of activations times an int8 weight, as one warp of a card computes it: the weight
// comes from memory once, whatever the number of rows. Plain C++ that the tests compile as well, so
// that the arithmetic is checked where there is no card.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define TORCHSIGHT_BOTH __host__ __device__ __forceinline__
#else
#define TORCHSIGHT_BOTH inline
#endif

namespace torchsight::few_rows {

constexpr int kLanes = 32;  // of a warp
constexpr int kChunk = 4;   // numbers that a lane loads at once: neighbours load neighbours
constexpr int kMostRows = 8;

/// The upper half of a float32.
struct Bfloat16 {
  uint16_t bits;
};

TORCHSIGHT_BOTH float widen(float x) {
  return x;
}

TORCHSIGHT_BOTH float widen(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

TORCHSIGHT_BOTH void store(float value, float& to) {
  to = value;
}

/// To the nearest, ties to even; NaN stays NaN.
TORCHSIGHT_BOTH void store(float value, Bfloat16& to) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) {
    to.bits = 0x7fc0;
    return;
  }
  to.bits = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename Number>
struct alignas(kChunk * sizeof(Number)) Chunk {
  Number numbers[kChunk];
};

/// The numbers from `i` on, zeros behind the end. `kWhole`: there is no end within a chunk, and
/// `from` is aligned to one.
template <bool kWhole, typename Number>
TORCHSIGHT_BOTH Chunk<Number> load(const Number* from, int64_t i, int64_t length) {
  if (kWhole) return *reinterpret_cast<const Chunk<Number>*>(from + i);
  Chunk<Number> chunk{};
  for (int k = 0; k < kChunk; ++k) {
    if (i + k < length) chunk.numbers[k] = from[i + k];
  }
  return chunk;
}

/// What lane `lane` has of the sums over i of x[r, i] w[i], for `rows` of at most `kRows` rows that
/// are `stride` numbers apart. The lanes' sums together are those of the row `w` of the weight.
template <int kRows, bool kWhole, typename X>
TORCHSIGHT_BOTH void lane_sums(const X* x, int64_t stride, int rows, const int8_t* w,
                               int64_t length, int lane, float (&sums)[kRows]) {
  for (int r = 0; r < kRows; ++r) sums[r] = 0;
    // So many loads of the weight are under way at a time.
#ifdef __CUDACC__
#pragma unroll 4
#endif
  for (int64_t i = int64_t{lane} * kChunk; i < length; i += int64_t{kLanes} * kChunk) {
    const Chunk<int8_t> weights = load<kWhole>(w, i, length);
    for (int r = 0; r < kRows; ++r) {
      if (r >= rows) break;
      const Chunk<X> numbers = load<kWhole>(x + r * stride, i, length);
      for (int k = 0; k < kChunk; ++k) {
        sums[r] += widen(numbers.numbers[k]) * static_cast<float>(weights.numbers[k]);
      }
    }
  }
}

/// The operands of a product: y[r, o] <- scale[o] sum_i x[r, i] w[o, i].
template <typename X>
struct Product {
  const X* x;
  int64_t x_stride;
  const int8_t* w;  // [outs, length], one row after the other
  const float* scale;
  X* y;
  int64_t y_stride;
  int64_t rows, outs, length;

  /// Whether all rows consist of whole chunks, aligned to their size.
  bool whole() const {
    return length % kChunk == 0 && x_stride % kChunk == 0 &&
           reinterpret_cast<uintptr_t>(w) % sizeof(Chunk<int8_t>) == 0 &&
           reinterpret_cast<uintptr_t>(x) % sizeof(Chunk<X>) == 0;
  }
};

}  // namespace torchsight::few_rows
