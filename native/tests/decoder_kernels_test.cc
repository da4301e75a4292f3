// The products of a decoder's step against the same formulas in float64, for every width of vectors
// that this machine runs.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "kernel_support.h"
#include "nn/compact_linear.h"

using namespace torchsight;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE_TEMPLATE("few rows times a matrix of any format follow the formula", Number, float,
                   c10::BFloat16, c10::Half, int8_t) {
  at::manual_seed(3);
  for (const CpuCapability capability : capabilities()) {
    const auto kernels = product_kernels(capability).of<Number>();
    for (const int64_t in : {0, 1, 5, 16, 67, 256}) {
      for (const int64_t out : {1, 4, 7}) {
        for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 33}) {
          INFO("capability ", static_cast<int>(capability), ", ", rows, " x ", in, " x ", out);
          const at::Tensor x = apart(at::randn({rows, in}));
          const at::Tensor w = apart(random_weights<Number>({out, in})), scale = at::rand({out});
          const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble));
          const double bound =
              1e-6 * (1 + in) *
              (1 + w.to(at::kDouble).abs().sum().item<double>() / std::max<int64_t>(w.numel(), 1));
          at::Tensor whole = at::full({rows, out + 4}, 7.f), y = whole.narrow(1, 2, out);
          kernels.multiply(rows_of<float>(x), rows_of<Number>(w), nullptr, in, written_rows(y));
          CHECK(difference(y, exact) < bound);
          kernels.multiply(rows_of<float>(x), rows_of<Number>(w), scale.const_data_ptr<float>(), in,
                           written_rows(y));
          CHECK(difference(y, exact * scale) < bound);
          CHECK((whole.narrow(1, 0, 2) == 7).all().item<bool>());
          CHECK((whole.narrow(1, out + 2, 2) == 7).all().item<bool>());
        }
      }
      const at::Tensor w = random_weights<Number>({1, in});
      at::Tensor wide = at::full({1, in + 1}, 7.f);
      kernels.widen(w.const_data_ptr<Number>(), 0.5f, in, wide.mutable_data_ptr<float>());
      CHECK(wide.narrow(1, 0, in).equal(w.to(at::kFloat) * 0.5));
      CHECK(wide[0][in].item<float>() == 7);
    }
  }
}

TEST_CASE_TEMPLATE("what is not finite stays in its row and column", Number, float, c10::BFloat16,
                   c10::Half) {
  for (const CpuCapability capability : capabilities()) {
    for (const int64_t place : {0, 16, 36}) {  // in a vector, and among the last few
      const auto multiply = product_kernels(capability).of<Number>().multiply;
      for (const float bad : {kNan, kInfinity, -kInfinity}) {
        const at::Tensor ones = at::ones({5, 37}), x = ones.clone(), w = ones.clone();
        x[2][place] = bad;
        w[3][place] = bad;
        at::Tensor y = at::empty({5, 5});
        const at::Tensor weight = w.to(c10::CppTypeToScalarType<Number>::value);
        multiply(rows_of<float>(x), rows_of<Number>(weight), nullptr, 37, written_rows(y));
        CHECK(y.allclose(at::linear(x, w), 1e-6, 0, /*equal_nan=*/true));
        CHECK(y.isfinite().sum().item<int64_t>() == 16);
      }
    }
  }
}

TEST_CASE("int8 weights are the nearest multiples of their row's scale") {
  at::manual_seed(5);
  for (const CpuCapability capability : capabilities()) {
    const auto quantize = product_kernels(capability).quantize;
    for (const int64_t length : {1, 7, 16, 67}) {
      for (const float size : {1e-30f, 0.02f, 1e30f}) {
        const at::Tensor x = at::randn({length}) * size;
        at::Tensor q = at::full({length + 1}, 99, at::kChar);
        const float scale =
            quantize(x.const_data_ptr<float>(), length, q.mutable_data_ptr<int8_t>());
        CHECK(scale == x.abs().max().item<float>() / 127);
        CHECK(q.narrow(0, 0, length).equal((x / scale).round().to(at::kChar)));
        CHECK(q[length].item<int>() == 99);
        CHECK(q.narrow(0, 0, length).abs().max().item<int>() == 127);
      }
    }
    // Ties go to the even neighbour.
    const at::Tensor ties = at::tensor({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 127.f});
    at::Tensor q = at::empty({6}, at::kChar);
    CHECK(quantize(ties.const_data_ptr<float>(), 6, q.mutable_data_ptr<int8_t>()) == 1);
    CHECK(q.equal(at::tensor({0, 2, 2, 0, -2, 127}, at::kChar)));
    for (const float bad : {kNan, kInfinity}) {
      const at::Tensor row = at::tensor({1.f, bad, 2.f, 3.f, 4.f, 5.f});
      CHECK_FALSE(
          std::isfinite(quantize(row.const_data_ptr<float>(), 6, q.mutable_data_ptr<int8_t>())));
      CHECK(q.equal(at::zeros({6}, at::kChar)));
    }
  }
}

TEST_CASE("a compact layer computes with the numbers it stores") {
  at::manual_seed(7);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
    const at::Tensor weight = at::randn({37, 53}).to(dtype);
    for (const bool quantized : {false, true}) {
      CompactLinear linear(weight);
      if (quantized) linear.quantize();
      CHECK(linear.quantized() == quantized);
      const at::Tensor dense = linear.dense().to(at::kDouble);
      if (!quantized) CHECK(linear.dense().equal(weight));
      // Half a step of a row's scale, and the rounding of float32.
      const at::Tensor steps = weight.to(at::kDouble).abs().amax(1, true) / 127;
      CHECK(((dense - weight.to(at::kDouble)).abs() <= steps * 0.50001).all().item<bool>());
      for (const int64_t rows : {0, 1, 3, 8, 9, 33}) {
        INFO(at::toString(dtype), ", ", rows, " rows, quantised: ", quantized);
        const at::Tensor x = at::randn({rows, 53});
        const at::Tensor y = linear(x);
        CHECK((y.scalar_type() == at::kFloat));
        CHECK(difference(y, at::linear(x.to(at::kDouble), dense)) < 3e-5);
        CHECK(difference(linear(apart(x)), y) < 3e-5);
        CHECK(difference(linear(x.t().contiguous().t()), y) < 3e-5);
      }
      const at::Tensor ids = at::tensor({36, 0, 36}, at::kLong);
      const bool wide = dtype == at::kDouble && !quantized;
      CHECK((linear.rows(ids).scalar_type() == (wide ? at::kDouble : at::kFloat)));
      CHECK(difference(linear.rows(ids), dense.index_select(0, ids)) < 1e-6);
    }
  }
}

TEST_CASE("a compact layer multiplies large matrices block by block") {
  at::manual_seed(8);
  const at::Tensor weight = at::randn({2300, 1000}).to(at::kBFloat16), x = at::randn({40, 1000});
  CompactLinear linear(weight);
  const at::Tensor exact = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
  CHECK(difference(linear(x), exact) < 1e-3);
  linear.quantize();
  CHECK(difference(linear(x), at::linear(x, linear.dense())) < 1e-3);
  CHECK(difference(linear(x.narrow(0, 0, 8)), linear(x).narrow(0, 0, 8)) < 1e-3);
}

TEST_CASE("a compact layer shares the memory it is given until it is quantised") {
  at::Tensor weight = at::ones({5, 24});
  CompactLinear linear(weight);
  const at::Tensor x = at::ones({1, 24});
  weight.select(0, 2).zero_();
  CHECK(linear(x).equal(at::tensor({24.f, 24.f, 0.f, 24.f, 24.f}).view({1, 5})));
  linear.quantize();
  linear.quantize();
  weight.zero_();
  CHECK(linear(x).equal(at::tensor({24.f, 24.f, 0.f, 24.f, 24.f}).view({1, 5})));
}

TEST_CASE("other dtypes of rows take the formula") {
  const at::Tensor weight = at::randn({6, 10});
  CompactLinear linear(weight);
  const at::Tensor x = at::randn({3, 10}), wide = x.to(at::kDouble);
  CHECK((linear(wide).scalar_type() == at::kDouble));
  CHECK(difference(linear(wide), at::linear(x, weight)) < 1e-5);
  linear.quantize();
  CHECK((linear(wide).scalar_type() == at::kDouble));
  CHECK(difference(linear(wide), at::linear(wide, linear.dense().to(at::kDouble))) < 1e-6);
}

TEST_CASE("a row of a weight that is not finite gives NaN once quantised, others stay") {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {  // the kernel, and the formula
    for (const float bad : {kNan, kInfinity}) {
      at::Tensor weight = at::ones({3, 20}, dtype);
      weight[1][4] = bad;
      CompactLinear linear(weight);
      linear.quantize();
      const at::Tensor y = linear(at::ones({1, 20}));
      CHECK(y.isnan().to(at::kInt).equal(at::tensor({0, 1, 0}, at::kInt).view({1, 3})));
    }
  }
}
