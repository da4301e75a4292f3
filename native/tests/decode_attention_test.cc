// Attention of one token and the row kernels of a decoder against the formulas in float64, for
// every width of vectors that this machine runs.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "kernel_support.h"
#include "nn/decode_attention.h"
#include "nn/row_kernels.h"

using namespace torchsight;

namespace {

const float* data(const at::Tensor& row) {
  return row.const_data_ptr<float>();
}

// The formula, head by head and row by row.
at::Tensor expected(const at::Tensor& q_BHe, const at::Tensor& keys_BKTe,
                    const at::Tensor& values_BKTe, const at::Tensor& begin_B, int64_t end,
                    double scale, double softcap) {
  at::Tensor y_BHe = at::empty(q_BHe.sizes(), at::kDouble);
  const int64_t shared = q_BHe.size(1) / keys_BKTe.size(1);
  for (int64_t b = 0; b < q_BHe.size(0); ++b) {
    const int64_t begin = begin_B[b].item<int64_t>();
    for (int64_t h = 0; h < q_BHe.size(1); ++h) {
      const auto rows = [&](const at::Tensor& cache) {
        return cache[b][h / shared].narrow(0, begin, end - begin).to(at::kDouble);
      };
      at::Tensor logits = at::mv(rows(keys_BKTe), q_BHe[b][h].to(at::kDouble)) * scale;
      if (softcap != 0) logits = at::tanh(logits / softcap) * softcap;
      y_BHe[b][h] = at::mv(rows(values_BKTe).t(), at::softmax(logits, 0));
    }
  }
  return y_BHe;
}

}  // namespace

TEST_CASE("the gated GELU of a row") {
  for (const CpuCapability capability : capabilities()) {
    for (const int64_t length : {1, 16, 37}) {
      const at::Tensor row = at::randn({2 * length}) * 4;
      const at::Tensor gate = row.narrow(0, 0, length), up = row.narrow(0, length, length);
      const at::Tensor exact = at::gelu(gate.to(at::kDouble), "tanh") * up;
      at::Tensor y = at::full({length + 1}, 7.f);
      const auto kernel = row_kernels(capability).gated_gelu;
      kernel(data(gate), data(up), y.mutable_data_ptr<float>(), length);
      CHECK(difference(y.narrow(0, 0, length), exact) < 1e-5);
      CHECK(y[length].item<float>() == 7);
      kernel(data(gate), data(up), row.mutable_data_ptr<float>(), length);
      CHECK(gate.equal(y.narrow(0, 0, length)));
    }
  }
}

TEST_CASE("rotating the pairs of a row by angles") {
  for (const CpuCapability capability : capabilities()) {
    for (const int64_t half : {1, 8, 16, 19, 128}) {
      at::Tensor row = at::randn({2 * half + 1});
      const at::Tensor before = row.clone(), angle = at::randn({half}) * 3;
      const at::Tensor cos = angle.cos(), sin = angle.sin();
      const at::Tensor a = before.narrow(0, 0, half), b = before.narrow(0, half, half);
      row_kernels(capability).rotate(row.mutable_data_ptr<float>(), data(cos), data(sin), 2 * half);
      CHECK(difference(row.narrow(0, 0, half), a * cos - b * sin) < 1e-6);
      CHECK(difference(row.narrow(0, half, half), b * cos + a * sin) < 1e-6);
      CHECK(row[2 * half].equal(before[2 * half]));
    }
  }
}

TEST_CASE("a part of a softmax, capped and not") {
  for (const CpuCapability capability : capabilities()) {
    for (const int64_t length : {1, 16, 37}) {
      for (const float cap : {0.f, 5.f, 50.f}) {
        for (const float size : {0.01f, 30.f, 300.f}) {
          INFO("capability ", static_cast<int>(capability), ", ", length, ", cap ", cap, ", ",
               size);
          at::Tensor row = at::randn({length + 1}) * size;
          const at::Tensor before = row.clone();
          at::Tensor logits = before.narrow(0, 0, length).to(at::kDouble) * 0.25;
          if (cap != 0) logits = at::tanh(logits / cap) * cap;
          const SoftmaxPart part =
              row_kernels(capability).soften(row.mutable_data_ptr<float>(), length, 0.25f, cap);
          const at::Tensor exact = (logits - logits.max()).exp();
          CHECK(part.largest == doctest::Approx(logits.max().item<double>()).epsilon(1e-6));
          CHECK(part.sum == doctest::Approx(exact.sum().item<double>()).epsilon(2e-5));
          CHECK(difference(row.narrow(0, 0, length), exact) < 2e-5);
          CHECK(row[length].equal(before[length]));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("sums of weighted rows of any format", Number, float, c10::BFloat16, c10::Half,
                   int8_t) {
  for (const CpuCapability capability : capabilities()) {
    for (const int64_t length : {1, 16, 37}) {
      for (const int64_t rows : {0, 1, 4, 7}) {
        const at::Tensor x = apart(at::randn({3, rows}));
        const at::Tensor w = apart(random_weights<Number>({rows, length}));
        at::Tensor whole = at::randn({3, length + 2}), y = whole.narrow(1, 1, length);
        const at::Tensor before = whole.clone();
        product_kernels(capability)
            .of<Number>()
            .accumulate(rows_of<float>(x), rows_of<Number>(w), length, written_rows(y));
        const at::Tensor sums = at::mm(x.to(at::kDouble), w.to(at::kDouble));
        CHECK(difference(y, sums + before.narrow(1, 1, length)) < 2e-4);
        CHECK(whole.select(1, 0).equal(before.select(1, 0)));
        CHECK(whole.select(1, length + 1).equal(before.select(1, length + 1)));
      }
    }
  }
}

TEST_CASE("one token attends to a cache: groups of heads, beginnings, caps, dtypes and strides") {
  at::manual_seed(11);
  for (const auto& [heads, groups, width] :
       std::vector<std::array<int64_t, 3>>{{8, 1, 64}, {8, 4, 24}, {6, 3, 17}, {2, 2, 128}}) {
    for (const int64_t end : {1, 5, 64, 65, 200}) {
      for (const double softcap : {0., 5.}) {
        const at::Tensor q_BHe = at::randn({3, heads, width}) * 3;
        const at::Tensor keys_BTKe = at::randn({3, 210, groups, width});
        const at::Tensor values_BTKe = at::randn({3, 210, groups, width});
        const at::Tensor begin_B = at::tensor({int64_t{0}, (end - 1) / 2, end - 1}, at::kLong);
        const double scale = 1 / std::sqrt(static_cast<double>(width));
        for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
          INFO(heads, " heads, ", groups, " groups, ", end, " positions, cap ", softcap, ", ",
               at::toString(dtype));
          // Heads are the third dimension in memory, so that positions lie apart.
          const at::Tensor keys = keys_BTKe.to(dtype).transpose(1, 2);
          const at::Tensor values = values_BTKe.to(dtype).transpose(1, 2);
          const at::Tensor y = attend_step(q_BHe, keys, values, begin_B, end, scale, softcap);
          CHECK((y.scalar_type() == at::kFloat));
          CHECK(difference(y, expected(q_BHe, keys, values, begin_B, end, scale, softcap)) < 2e-5);
          const at::Tensor turned = keys.transpose(2, 3).contiguous().transpose(2, 3);
          CHECK(difference(attend_step(q_BHe, turned, values, begin_B, end, scale, softcap), y) <
                2e-5);
        }
        const at::Tensor wide = q_BHe.to(at::kDouble);
        const at::Tensor keys = keys_BTKe.transpose(1, 2), values = values_BTKe.transpose(1, 2);
        CHECK(difference(attend_step(wide, keys, values, begin_B, end, scale, softcap),
                         expected(wide, keys, values, begin_B, end, scale, softcap)) < 1e-10);
      }
    }
  }
}

TEST_CASE("attention sees nothing before its beginning or after its end") {
  const at::Tensor q = at::randn({1, 4, 32}), begin = at::tensor({int64_t{70}}, at::kLong);
  at::Tensor keys = at::randn({1, 2, 200, 32}), values = at::randn({1, 2, 200, 32});
  const at::Tensor y = attend_step(q, keys, values, begin, 140, 0.2);
  for (at::Tensor& cache : {std::ref(keys), std::ref(values)}) {
    cache.narrow(2, 0, 70).fill_(std::numeric_limits<float>::quiet_NaN());
    cache.narrow(2, 140, 60).fill_(std::numeric_limits<float>::quiet_NaN());
  }
  CHECK(attend_step(q, keys, values, begin, 140, 0.2).equal(y));
  // In its sight NaN stays in the heads that share it.
  keys[0][1][100][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor bad = attend_step(q, keys, values, begin, 140, 0.2);
  CHECK(bad.narrow(1, 0, 2).equal(y.narrow(1, 0, 2)));
  CHECK(bad.narrow(1, 2, 2).isnan().all().item<bool>());
}
