// Derivatives of shared layers against finite differences, and layers that have none.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "nn/attention_pool.h"
#include "nn/compact_linear.h"
#include "runtime/error.h"
#include "tests/training_support.h"

using namespace torchsight;

namespace {

at::Tensor waves(at::IntArrayRef sizes, double phase) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return at::sin(at::arange(count, at::kDouble).mul(0.7).add(phase)).view(sizes);
}

}  // namespace

TEST_CASE("derivatives: of pooling by attention, in every weight and the tokens, with a mask") {
  EncoderConfig config;
  config.width = 8;
  config.heads = 2;
  config.hidden = 12;
  ModuleOptions options;
  options.dtype = at::kDouble;
  AttentionPool pool(config, options);
  std::vector<Parameter> parameters;
  pool.add_parameters(parameters, "pool");
  std::vector<std::pair<std::string, at::Tensor>> operands;
  for (const Parameter& parameter : parameters) {
    at::Tensor memory = parameter.tensor;
    memory.copy_(waves(memory.sizes(), static_cast<double>(operands.size())));
    operands.emplace_back(parameter.name, memory.is_view() ? memory._base() : memory);
  }
  const at::Tensor x_BNd = waves({2, 5, 8}, 0.3);
  operands.emplace_back("tokens", x_BNd);
  for (auto& [name, tensor] : operands) tensor.requires_grad_(true);
  const at::Tensor mask_BN = at::tensor({1, 1, 1, 1, 1, 1, 0, 1, 1, 0}).to(at::kBool).view({2, 5});
  for (const at::Tensor& mask : {at::Tensor(), mask_BN}) {
    const auto value = [&] { return (pool(x_BNd, mask) * waves({2, 8}, 1)).sum(); };
    for (auto& [name, tensor] : operands) tensor.mutable_grad().reset();
    {
      const at::AutoGradMode enabled(true);
      value().backward();
    }
    const at::NoGradGuard no_grad;
    for (auto& [name, tensor] : operands) {
      CAPTURE(name);
      const at::Tensor way = waves(tensor.sizes(), 2);
      const double expected = test::slope_along(tensor, way, value);
      const double got = (tensor.grad() * way).sum().item<double>();
      CHECK(std::abs(got - expected) < 1e-6 * (1 + std::abs(expected)));
    }
  }
}

TEST_CASE("matrices of decoders refuse to be trained") {
  for (const int64_t rows : {1, 100}) {
    const CompactLinear layer(at::ones({64, 32}).requires_grad_(true));
    const at::Tensor x_RI = at::ones({rows, 32});
    {
      const at::NoGradGuard no_grad;
      CHECK(layer(x_RI).size(0) == rows);
    }
    const at::AutoGradMode enabled(true);
    try {
      layer(x_RI);
      FAIL("a product without a derivative was made where one is needed");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
    }
  }
}
