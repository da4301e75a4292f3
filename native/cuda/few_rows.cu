#include "cuda/few_rows.h"

namespace torchsight::few_rows {
namespace {

constexpr int kWarps = 8;  // of a block, each with an output of its own

template <int kRows, bool kWhole, typename X>
__global__ void __launch_bounds__(kWarps* kLanes) multiply(Product<X> p) {
  const int lane = threadIdx.x % kLanes;
  const int64_t o = int64_t{blockIdx.x} * kWarps + threadIdx.x / kLanes;
  if (o >= p.outs) return;
  float sums[kRows];
  lane_sums<kRows, kWhole>(p.x, p.x_stride, static_cast<int>(p.rows), p.w + o * p.length, p.length,
                           lane, sums);
  const float scale = p.scale[o];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    for (int step = kLanes / 2; step > 0; step /= 2) {
      sums[r] += __shfl_down_sync(0xffffffff, sums[r], step);
    }
    if (lane == 0 && r < p.rows) store(sums[r] * scale, p.y[r * p.y_stride + o]);
  }
}

template <int kRows, typename X>
void launch_rows(const Product<X>& p, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((p.outs + kWarps - 1) / kWarps);
  if (p.whole()) {
    multiply<kRows, true><<<blocks, kWarps * kLanes, 0, stream>>>(p);
  } else {
    multiply<kRows, false><<<blocks, kWarps * kLanes, 0, stream>>>(p);
  }
}

template <typename X>
void launch_any(const Product<X>& p, cudaStream_t stream) {
  if (p.rows == 1) return launch_rows<1>(p, stream);
  if (p.rows == 2) return launch_rows<2>(p, stream);
  if (p.rows <= 4) return launch_rows<4>(p, stream);
  launch_rows<kMostRows>(p, stream);
}

}  // namespace

void launch(const Product<float>& product, cudaStream_t stream) {
  launch_any(product, stream);
}

void launch(const Product<Bfloat16>& product, cudaStream_t stream) {
  launch_any(product, stream);
}

}  // namespace torchsight::few_rows
