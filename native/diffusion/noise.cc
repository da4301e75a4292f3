#include "diffusion/noise.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/PhiloxRNGEngine.h>

#include <array>
#include <cmath>
#include <numbers>

namespace torchsight::diffusion {
namespace {

constexpr int64_t kWords = 4;        // random words of one counter, and normal numbers of them
constexpr int64_t kGrain = 1 << 12;  // counters
constexpr int64_t kDrawBits = 40;    // a draw has 2^40 counters of its own

at::philox_engine engine_of(const NoiseStreams::Stream& stream, int64_t draw, int64_t counter) {
  const auto offset = (static_cast<uint64_t>(draw) << kDrawBits) + static_cast<uint64_t>(counter);
  return at::philox_engine(static_cast<uint64_t>(stream.seed), static_cast<uint64_t>(stream.number),
                           offset);
}

// Box and Muller: two uniform words, of which the first is never taken for 0, to two normals.
void normal_pair(uint32_t first, uint32_t second, double* out) {
  const double radius = std::sqrt(-2 * std::log((first + 0.5) * 0x1p-32));
  const double angle = 2 * std::numbers::pi * second * 0x1p-32;
  out[0] = radius * std::cos(angle);
  out[1] = radius * std::sin(angle);
}

template <typename T>
void fill(T* values, int64_t count, const NoiseStreams::Stream& stream, int64_t draw) {
  at::parallel_for(0, (count + kWords - 1) / kWords, kGrain, [&](int64_t begin, int64_t end) {
    at::philox_engine engine = engine_of(stream, draw, begin);
    std::array<double, kWords> four;
    for (int64_t counter = begin; counter < end; ++counter) {
      for (int64_t i = 0; i < kWords; i += 2) {
        const uint32_t first = engine(), second = engine();
        normal_pair(first, second, &four[i]);
      }
      const int64_t place = counter * kWords;
      for (int64_t i = 0; i < std::min(kWords, count - place); ++i) {
        values[place + i] = static_cast<T>(four[i]);
      }
    }
  });
}

}  // namespace

at::Tensor NoiseStreams::normal(const at::Tensor& like_BS, int64_t draw) const {
  const auto dtype = at::promote_types(like_BS.scalar_type(), at::kFloat);
  at::Tensor noise_BS = at::empty(like_BS.sizes(), dtype);
  const int64_t count = size() ? noise_BS.numel() / size() : 0;
  for (int64_t b = 0; b < size(); ++b) {
    if (dtype == at::kDouble) {
      fill(noise_BS.mutable_data_ptr<double>() + b * count, count, streams_[b], draw);
    } else {
      fill(noise_BS.mutable_data_ptr<float>() + b * count, count, streams_[b], draw);
    }
  }
  return noise_BS.to(like_BS.options());
}

at::Tensor NoiseStreams::uniform(int64_t draw) const {
  at::Tensor numbers_B = at::empty({size()}, at::kDouble);
  for (int64_t b = 0; b < size(); ++b) {
    at::philox_engine engine = engine_of(streams_[b], draw, 0);
    const uint64_t high = engine(), low = engine();
    numbers_B.mutable_data_ptr<double>()[b] =
        static_cast<double>(((high << 32) | low) >> 11) * 0x1p-53;
  }
  return numbers_B;
}

}  // namespace torchsight::diffusion
