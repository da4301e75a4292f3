// Products in float8 with a scale for each row, on libtorch's CPU part.
#include "nn/float8_linear.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "model_support.h"
#include "nn/fused_linear.h"
#include "nn/linear.h"
#include "runtime/error.h"
#include "runtime/save.h"
#include "temporary.h"

using namespace torchsight;

namespace {

at::Tensor wide(const float8::Rows& rows) {
  return rows.numbers.to(at::kDouble) * rows.scale_R.to(at::kDouble).unsqueeze(1);
}

// The error's root mean square over the standard deviation of `expected`.
double error(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual - expected).square().mean().sqrt() / expected.std()).item<double>();
}

ModuleOptions with_weights(const char* weights) {
  ModuleOptions options;
  options.extra = Json(Json::Object{{"weights", weights}});
  return options;
}

}  // namespace

TEST_CASE("rows of float8 keep three bits of each number, whatever the row's size") {
  const at::Tensor sizes = at::tensor({1e-20, 1e-3, 1.0, 3e5}, at::kDouble).unsqueeze(1);
  const at::Tensor matrix = (at::randn({4, 64}, at::kDouble) * sizes).to(at::kFloat);
  const float8::Rows rows = float8::to_rows(matrix);
  const at::Tensor largest = matrix.abs().amax(1, true);
  // Half a unit of three bits, and of the smallest numbers that e4m3 has.
  const at::Tensor bound = matrix.abs() / 16 + largest / 448 * 0x1p-10;
  CHECK(((wide(rows) - matrix).abs() <= bound).narrow(0, 1, 3).all().item<bool>());
  CHECK(float8::to_rows(at::zeros({1, 16})).numbers.to(at::kFloat).eq(0).all().item<bool>());
  const at::Tensor bad = at::tensor({1.f, NAN}).view({1, 2});
  CHECK(wide(float8::to_rows(bad)).isnan().all().item<bool>());
}

TEST_CASE("products are those of the numbers that the rows stand for") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const float8::Rows x = float8::to_rows(at::randn({5, 48}).to(dtype));
    const float8::Rows w = float8::to_rows(at::randn({32, 48}).to(dtype));
    const at::Tensor bias = at::randn({32}).to(dtype);
    const at::Tensor y = float8::product(x, w, bias, dtype);
    CHECK((y.scalar_type() == dtype));
    const at::Tensor expected = at::mm(wide(x), wide(w).t()) + bias;
    CHECK(test::relative_error(y, expected) < (dtype == at::kFloat ? 1e-5 : 2e-2));
  }
}

TEST_CASE("layers in float8 are close to themselves before, and give up their memory") {
  const at::Tensor x = at::randn({7, 64}), bias = at::randn({32}), sum = at::randn({7, 32});
  Linear linear(at::randn({32, 64}));
  const at::Tensor plain = linear(x, bias), added = linear.add(x, sum.clone(), bias);
  linear.to_float8();
  CHECK(error(linear(x, bias), plain) < 0.06);
  CHECK(error(linear.add(x, sum.clone(), bias), added) < 0.06);
  CHECK(linear.weight().is_meta());

  for (const bool fuse : {true, false}) {
    const FusedLinear::Section gelu{32, true, Activation::kGeluTanh};
    FusedLinear layer(64, {gelu, {16}, {48, true}}, fuse, at::kFloat);
    for (const at::Tensor& weight : layer.weights()) at::Tensor(weight).normal_();
    at::Tensor(layer.bias(2)).fill_(3);
    const std::vector<at::Tensor> before = layer(x);
    layer.to_float8();
    const std::vector<at::Tensor> few = layer(x);
    // From many rows on each section is a product of its own.
    const std::vector<at::Tensor> many = layer(x.repeat({300, 1}));
    for (size_t s = 0; s < before.size(); ++s) {
      CHECK(error(few[s], before[s]) < 0.06);
      CHECK(test::relative_error(many[s].narrow(0, 7, 7), few[s]) < 1e-6);
      CHECK(layer.weights()[s].is_meta());
    }
  }
}

TEST_CASE("a ViT-22B in float8 says nearly what it says in bfloat16, and cannot be saved") {
  const Json config = test::small_config(R"({"hidden_size": 64, "intermediate_size": 96})");
  for (const char* block : {"parallel", "sequential"}) {
    Json one = config;
    one.set("block", block);
    ModuleOptions options = with_weights("float8");
    options.dtype = at::kBFloat16;
    const auto narrow = test::random_model(one, options);
    options.extra = Json();
    const auto plain = test::random_model(one, options);
    const at::Tensor x = at::randn({2, 3, 12, 12});
    const at::Tensor a = test::get(test::call(*narrow, "encode", x), "last_hidden_state");
    const at::Tensor b = test::get(test::call(*plain, "encode", x), "last_hidden_state");
    CHECK(test::relative_error(a, b) > 0);
    const at::Tensor cosine = at::cosine_similarity(a.to(at::kFloat), b.to(at::kFloat), -1).min();
    CHECK(cosine.item<float>() > 0.97f);
    const TemporaryPath folder;
    JobContext context;
    CHECK_THROWS_AS(narrow->save({folder.path()}, context), Error);
  }
}

TEST_CASE("other weights than float8, and float8 for ranks, are refused") {
  const auto code_of = [](const ModuleOptions& options) {
    try {
      make_module(test::small_config(), options);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  CHECK(code_of(with_weights("int3")) == ErrorCode::kBadInput);
  ModuleOptions options = with_weights("float8");
  options.group = make_local_groups(2)[0];
  CHECK(code_of(options) == ErrorCode::kUnsupported);
}
