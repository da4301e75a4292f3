// The arithmetic of a card's kernel, compiled for the CPU: what each lane sums, and how the lanes'
// sums become one.
#include "cuda/few_rows_impl.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "kernel_support.h"

using namespace torchsight;
using namespace torchsight::few_rows;

namespace {

// As a block of warps does it, one output after the other.
template <int kRows, bool kWhole, typename X>
void multiply(const Product<X>& p) {
  for (int64_t o = 0; o < p.outs; ++o) {
    float sums[kLanes][kRows];
    for (int lane = 0; lane < kLanes; ++lane) {
      lane_sums<kRows, kWhole>(p.x, p.x_stride, static_cast<int>(p.rows), p.w + o * p.length,
                               p.length, lane, sums[lane]);
    }
    for (int r = 0; r < p.rows; ++r) {
      for (int step = kLanes / 2; step > 0; step /= 2) {
        for (int lane = 0; lane < step; ++lane) sums[lane][r] += sums[lane + step][r];
      }
      store(sums[0][r] * p.scale[o], p.y[r * p.y_stride + o]);
    }
  }
}

template <typename X>
Product<X> product_of(const at::Tensor& x, const at::Tensor& w, const at::Tensor& scale,
                      at::Tensor& y) {
  return {static_cast<const X*>(x.const_data_ptr()),
          x.stride(0),
          w.const_data_ptr<int8_t>(),
          scale.const_data_ptr<float>(),
          static_cast<X*>(y.mutable_data_ptr()),
          y.stride(0),
          x.size(0),
          w.size(0),
          w.size(1)};
}

template <typename X>
void check(at::ScalarType dtype, int64_t length, bool strided, double bound) {
  for (const int64_t rows : {1, 2, 3, 5, 8}) {
    const at::Tensor values = at::randn({rows, length}).to(dtype);
    const at::Tensor x = strided ? apart(values) : values;
    const at::Tensor w = random_weights<int8_t>({9, length}), scale = at::rand({9}) + 0.1;
    at::Tensor y = at::zeros({rows, 9}, dtype);
    const Product<X> product = product_of<X>(x, w, scale, y);
    CHECK(product.whole() == (!strided && length % kChunk == 0));
    multiply<kMostRows, false>(product);
    const at::Tensor exact =
        at::mm(values.to(at::kDouble), w.to(at::kDouble).t()) * scale.to(at::kDouble);
    const double size = exact.abs().max().item<double>() + 1;
    CHECK(difference(y, exact) < bound * size);
    if (!product.whole()) continue;
    const at::Tensor before = y.clone();
    multiply<kMostRows, true>(product);
    CHECK(y.equal(before));
  }
}

}  // namespace

TEST_CASE("a card's kernel for few rows: float32 numbers times int8 weights") {
  for (const int64_t length : {1, 3, 4, 31, 128, 500, 2048}) {
    for (const bool strided : {false, true}) check<float>(at::kFloat, length, strided, 2e-6);
  }
}

TEST_CASE("a card's kernel for few rows: bfloat16 numbers times int8 weights") {
  for (const int64_t length : {1, 3, 4, 31, 128, 500, 2048}) {
    for (const bool strided : {false, true}) check<Bfloat16>(at::kBFloat16, length, strided, 4e-3);
  }
}

TEST_CASE("bfloat16 numbers are widened and rounded as libtorch's") {
  const at::Tensor numbers =
      at::cat({at::randn({1000}) * 1e3, at::randn({1000}) * 1e-30,
               at::tensor({0.f, -0.f, INFINITY, -INFINITY, 1.00390625f, 1.01171875f, 3.4e38f})});
  const at::Tensor narrow = numbers.to(at::kBFloat16);
  for (int64_t i = 0; i < numbers.numel(); ++i) {
    Bfloat16 mine;
    store(numbers[i].item<float>(), mine);
    CHECK(mine.bits == narrow[i].item<c10::BFloat16>().x);
    CHECK(widen(mine) == narrow[i].item<float>());
  }
  Bfloat16 nan;
  store(NAN, nan);
  CHECK(std::isnan(widen(nan)));
}
