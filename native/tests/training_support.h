// What the tests of training share: a small model, batches of it, and its trainer.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/model_support.h"
#include "training/weights.h"

namespace torchsight::test {

inline Json labelled(const std::string& changes = "{}") {
  Json config = small_config(changes);
  config.set("num_labels", 5);
  return config;
}

inline NamedTensors batch_of(int64_t count, at::ScalarType dtype = at::kFloat) {
  const at::Tensor pixels = at::sin(at::arange(count * 3 * 12 * 12, dtype).mul(0.37));
  const at::Tensor labels =
      at::sin(at::arange(count * 5, at::kFloat).mul(1.7)).gt(0).to(at::kFloat);
  return {{"pixel_values", pixels.view({count, 3, 12, 12})}, {"labels", labels.view({count, 5})}};
}

inline NamedTensors run(Session& trainer, const std::string& method, NamedTensors inputs = {}) {
  Call call;
  call.inputs = std::move(inputs);
  call.options = Json::Object{};
  JobContext context;
  return trainer.call(method, call, context);
}

inline double loss_of(const NamedTensors& told) {
  return get(told, "loss").item<double>();
}

inline std::unique_ptr<Session> trainer_of(Module& module, const std::string& options = "{}") {
  return module.open_session("trainer", Json::parse(options));
}

inline std::vector<at::Tensor> values_of(Module& module) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : module.parameters()) values.push_back(parameter.tensor.clone());
  return values;
}

inline bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!at::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

// The largest difference of any weight.
inline double distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, (a[i] - b[i]).abs().max().item<double>());
  }
  return most;
}

// The slope of `value()` where `memory` moves along `way`, by central differences in float64.
template <typename Value>
double slope_along(at::Tensor memory, const at::Tensor& way, const Value& value) {
  constexpr double kStep = 1e-6;
  memory.add_(way, kStep);
  const double above = value().template item<double>();
  memory.sub_(way, 2 * kStep);
  const double below = value().template item<double>();
  memory.add_(way, kStep);
  return (above - below) / (2 * kStep);
}

// Holds the gradients that a backward pass of `value()` left at `weights` to its slopes.
template <typename Value>
void check_gradients(const std::vector<Weight>& weights, const Value& value) {
  const at::NoGradGuard no_grad;
  for (const Weight& weight : weights) {
    CAPTURE(weight.name);
    const at::Tensor way =
        at::cos(at::arange(weight.value.numel(), at::kDouble)).view(weight.value.sizes());
    const double expected = slope_along(weight.value, way, value);
    const double got = (weight.gradient() * way).sum().template item<double>();
    CHECK(std::abs(got - expected) < 1e-5 * (1 + std::abs(expected)));
  }
}

}  // namespace torchsight::test
