// What kernels share, compiled once for each vector width that includes it.
#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>

namespace torchsight::CPU_CAPABILITY {

using Vec = at::vec::Vectorized<float>;

// As many weights as a vector has lanes, as float32.
inline Vec load(const float* w) {
  return Vec::loadu(w);
}

inline Vec load(const c10::BFloat16* w) {
  Vec value;
  at::vec::load_fp32_from_bf16(w, value);
  return value;
}

inline Vec load(const c10::Half* w) {
  Vec value;
  at::vec::load_fp32_from_fp16(w, value);
  return value;
}

inline Vec load(const int8_t* w) {
#if defined(CPU_CAPABILITY_AVX512)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
#elif defined(CPU_CAPABILITY_AVX2)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(w));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
#else
  float lanes[Vec::size()];
  for (int64_t i = 0; i < Vec::size(); ++i) lanes[i] = w[i];
  return Vec::loadu(lanes);
#endif
}

// The first `count` lanes; the others are zero.
template <typename Weight>
inline Vec load(const Weight* w, int64_t count) {
  Weight lanes[Vec::size()] = {};
  std::copy_n(w, count, lanes);
  return load(lanes);
}

inline float sum(const Vec& value) {
  return at::vec::vec_reduce_all<float>([](const Vec& a, const Vec& b) { return a + b; }, value);
}

inline float largest(const Vec& value) {
  return at::vec::vec_reduce_all<float>(
      [](const Vec& a, const Vec& b) { return at::vec::maximum(a, b); }, value);
}

}  // namespace torchsight::CPU_CAPABILITY
