// The layers of transformers against the same formulas over PyTorch's operators.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/blocked_linear.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "nn/norm.h"

using namespace torchsight;

namespace {

double difference(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace

TEST_CASE("GELU in place, with bias, on slices of any width") {
  const auto exactly = [](const at::Tensor& x, Activation kind) {
    if (kind == Activation::kQuickGelu) return x * at::sigmoid(x * 1.702);
    return at::gelu(x, kind == Activation::kGeluTanh ? "tanh" : "none");
  };
  for (const Activation kind : {Activation::kGeluTanh, Activation::kGelu, Activation::kQuickGelu}) {
    for (const int64_t width : {1, 7, 8, 33, 256}) {
      at::Tensor whole = at::randn({5, width + 11}) * 4;
      const at::Tensor before = whole.clone(), bias = at::randn({width});
      for (const at::Tensor& b : {bias, at::Tensor()}) {
        whole.copy_(before);
        activate_(whole.narrow(1, 3, width), b, kind);
        at::Tensor exact = before.narrow(1, 3, width).to(at::kDouble);
        if (b.defined()) exact = exact + b;
        CHECK(difference(whole.narrow(1, 3, width), exactly(exact, kind)) < 2e-6);
        CHECK(whole.narrow(1, 0, 3).equal(before.narrow(1, 0, 3)));
        CHECK(whole.narrow(1, width + 3, 8).equal(before.narrow(1, width + 3, 8)));
      }
    }
  }
}

TEST_CASE("fast GELUs keep their limits far from zero") {
  for (const Activation kind : {Activation::kGeluTanh, Activation::kQuickGelu}) {
    at::Tensor x = at::tensor({-1e4f, -50.f, -0.f, 50.f, 1e4f}).view({1, 5});
    activate_(x, {}, kind);
    CHECK(difference(x, at::tensor({0.f, 0.f, 0.f, 50.f, 1e4f}).view({1, 5})) < 1e-6);
  }
}

TEST_CASE("norms over rows of any width, with float32 statistics for bfloat16") {
  for (const int64_t width : {1, 5, 8, 64, 100}) {
    const at::Tensor x = at::randn({3, 4, width}) * 3 + 1;
    const at::Tensor weight = at::rand({width}) + 0.5, bias = at::randn({width});
    const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
    const at::Tensor rms = at::rms_norm(wide(x), {width}, wide(weight), 1e-6);
    const at::Tensor layer = at::layer_norm(wide(x), {width}, wide(weight), wide(bias), 1e-6);
    CHECK(difference(Norm{NormKind::kRms, 1e-6, weight}(x), rms) < 2e-5);
    CHECK(difference(Norm{NormKind::kRms, 1e-6, wide(weight)}(wide(x)), rms) < 1e-12);
    // A row of one number has no variance: only its rounding would be compared.
    if (width == 1) continue;
    CHECK(difference(Norm{NormKind::kLayerNorm, 1e-6, weight, bias}(x), layer) < 2e-5);
    const at::Tensor half = x.to(at::kBFloat16);
    const at::Tensor of_half = at::rms_norm(wide(half), {width}, {}, 1e-6);
    const at::Tensor ours = Norm{NormKind::kRms, 1e-6}(half);
    CHECK((ours.scalar_type() == at::kBFloat16));
    CHECK(((ours.to(at::kDouble) - of_half).abs() / (of_half.abs() + 1e-6)).max().item<double>() <
          1.0 / 256);
  }
}

TEST_CASE("heads are cut, normalised and laid out from any strides") {
  const at::Tensor wide_BNx = at::randn({2, 5, 40});
  for (const at::Tensor& x_BNd :
       {wide_BNx.narrow(2, 4, 24),
        wide_BNx.narrow(2, 4, 24).transpose(0, 1).contiguous().transpose(0, 1)}) {
    for (const at::Tensor& weight : {at::rand({8}) + 0.5, at::rand({3, 8}) + 0.5}) {
      for (const NormKind kind : {NormKind::kNone, NormKind::kRms, NormKind::kLayerNorm}) {
        const Norm norm{kind, 1e-6, weight};
        const Norm exact{kind, 1e-6, weight.to(at::kDouble)};
        const at::Tensor heads = norm.heads(x_BNd, 3);
        CHECK(heads.is_contiguous());
        CHECK(difference(heads, exact.heads(x_BNd.to(at::kDouble), 3)) < 2e-6);
      }
      CHECK(
          Norm{NormKind::kNone}.heads(x_BNd, 3).equal(x_BNd.unflatten(2, {3, 8}).transpose(1, 2)));
    }
  }
}

TEST_CASE("every layout of a weight gives the same products and comes back unchanged") {
  const at::Tensor x = at::randn({40, 48}), weight = at::randn({72, 48}), bias = at::randn({72});
  std::vector<LinearKernel> kernels{LinearKernel::kPlain, LinearKernel::kTurned};
  if (blocked::available()) kernels.push_back(LinearKernel::kBlocked);
  for (const LinearKernel kernel : kernels) {
    const at::Tensor packed = pack_weight(weight, kernel, 40);
    CHECK(unpack_weight(packed, kernel).equal(weight));
    for (const at::Tensor& b : {bias, at::Tensor()}) {
      for (const Activation a : {Activation::kNone, Activation::kGelu, Activation::kGeluTanh}) {
        at::Tensor expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
        if (b.defined()) expected += b;
        if (a != Activation::kNone) {
          expected = at::gelu(expected, a == Activation::kGelu ? "none" : "tanh");
        }
        CHECK(difference(apply_linear(x, packed, kernel, b, a), expected) < 5e-5);
      }
    }
  }
}

TEST_CASE("a layer that chose its layout still shows its weight as plain memory") {
  const at::Tensor x = at::randn({64, 512}), weight = at::randn({640, 512}) / 20;
  Linear linear(weight.clone());
  const at::Tensor sum = at::randn({64, 640}), bias = at::randn({640});
  for (int round = 0; round < 2; ++round) {
    CHECK(difference(linear(x, bias), at::linear(x, weight, bias)) < 1e-4);
    CHECK(difference(linear.add(x, sum.clone(), bias), sum + at::linear(x, weight, bias)) < 1e-4);
    CHECK(linear.weight().equal(weight));
  }
  linear.weight().zero_();
  CHECK(difference(linear.add(x, sum.clone()), sum) == 0);
}

TEST_CASE("fused layers equal separate ones, before and after choosing a layout") {
  const std::vector<FusedLinear::Section> sections{
      {512, true, Activation::kGeluTanh}, {128}, {128, true}, {128}};
  const at::Tensor large = at::randn({64, 512}), small = large.narrow(0, 0, 3);
  FusedLinear fused(512, sections, true, at::kFloat), apart(512, sections, false, at::kFloat);
  const auto fill = [&](FusedLinear& linear) {
    at::manual_seed(7);
    for (at::Tensor& weight : linear.weights()) weight.copy_(at::randn(weight.sizes()) / 20);
    linear.bias(0).copy_(at::randn({512}));
    linear.bias(2).copy_(at::randn({128}));
  };
  fill(fused);
  fill(apart);
  CHECK_FALSE(fused.bias(1).defined());
  for (const at::Tensor& x : {small, large, small}) {
    const auto one = fused(x), other = apart(x);
    REQUIRE(one.size() == sections.size());
    for (size_t s = 0; s < sections.size(); ++s) CHECK(difference(one[s], other[s]) < 1e-5);
  }
  const auto weights = fused.weights(), expected = apart.weights();
  for (size_t s = 0; s < sections.size(); ++s) CHECK(weights[s].equal(expected[s]));
  weights[1].zero_();
  CHECK(fused(large)[1].abs().max().item<double>() == 0);
}

TEST_CASE("attention and its statistics follow the formula") {
  const at::Tensor q = at::randn({2, 3, 5, 8}) * 3, k = at::randn({2, 3, 7, 8}) * 3;
  const at::Tensor v = at::randn({2, 3, 7, 8});
  const at::Tensor logits =
      at::matmul(q.to(at::kDouble), k.to(at::kDouble).transpose(2, 3)) / std::sqrt(8.0);
  const at::Tensor p = at::softmax(logits, -1);
  const at::Tensor expected = at::matmul(p, v.to(at::kDouble)).transpose(1, 2).flatten(2);
  CHECK(difference(attend(q, k, v), expected) < 1e-5);
  const at::Tensor statistics = attention_statistics(q, k);
  CHECK(statistics[0].item<double>() == doctest::Approx(logits.max().item<double>()));
  const double entropy = -(p * p.log()).sum(-1).mean().item<double>();
  CHECK(statistics[1].item<double>() == doctest::Approx(entropy));
}
