// Activation checkpointing: the same gradients for less memory.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "nn/recompute.h"
#include "runtime/memory.h"
#include "tests/training_support.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

// The weights after two steps.
std::vector<at::Tensor> trained(const Json& config, const Json& options) {
  const auto module = random_model(config);
  const auto trainer = module->open_session("trainer", options);
  for (int i = 0; i < 2; ++i) run(*trainer, "step", batch_of(6));
  return values_of(*module);
}

}  // namespace

TEST_CASE("recomputed layers: the same steps, bit for bit") {
  for (const char* model : {"{}", R"({"block":"sequential","norm":"layernorm"})"}) {
    for (
        const char* text :
        {"{}", R"({"autocast":"bfloat16"})", R"({"accumulate":2,"telemetry":true})",
         R"({"groups":[{"pattern":"blocks.2.mlp.fc2.*"},{"pattern":"*","frozen":true}]})",
         R"({"autocast":"bfloat16","groups":[{"pattern":"head.*"},{"pattern":"*","frozen":true}]})",
         R"({"adapters":{"patterns":["*.attn.q.weight","*.mlp.fc1.weight"]}})"}) {
      CAPTURE(model);
      CAPTURE(text);
      Json options = Json::parse(text);
      options.set("schedule", Json::parse(R"({"peak":0.01})"));
      const auto plain = trained(labelled(model), options);
      options.set("recompute", true);
      const auto again = trained(labelled(model), options);
      CHECK(same(plain, again));
      CHECK_FALSE(same(plain, values_of(*random_model(labelled(model)))));
    }
  }
}

TEST_CASE("recomputed layers: a deep model takes less memory") {
  install_allocator();
  const Json config = labelled(R"({"num_hidden_layers":12,"image_size":48,"patch_size":4})");
  Json options = Json::parse(R"({"optimizer":{"kind":"sgd","momentum":0}})");
  const auto step = [&] {
    const auto module = random_model(config);
    const auto trainer = module->open_session("trainer", options);
    const at::Tensor pixels = at::sin(at::arange(4 * 3 * 48 * 48, at::kFloat)).view({4, 3, 48, 48});
    const at::Tensor labels = at::zeros({4, 5});
    const auto meter = std::make_shared<MemoryMeter>();
    const MeterScope scope(meter);
    run(*trainer, "step", {{"pixel_values", pixels}, {"labels", labels}});
    return meter->peak();
  };
  const int64_t plain = step();
  options.set("recompute", true);
  const int64_t again = step();
  CAPTURE(plain);
  CAPTURE(again);
  MESSAGE("peak of a step: ", plain, " bytes, recomputed ", again);
  CHECK(again < plain / 2);
}

TEST_CASE("recomputed layers: inputs that need no gradient may be written into") {
  const at::Tensor weight = at::ones({3}).requires_grad_(true);
  const at::Tensor x = at::arange(3, at::kFloat);
  int calls = 0;
  const Layer layer = [&](at::Tensor in) {
    ++calls;
    return in.add_(1) * weight;
  };
  recomputed(x, layer, layer).sum().backward();
  CHECK(calls == 2);
  CHECK(at::equal(x, at::arange(3, at::kFloat)));
  CHECK(at::equal(weight.grad(), x + 1));
  const Layer frozen = [&](at::Tensor in) { return in * 2; };
  CHECK_FALSE(recomputed(x, frozen, frozen).requires_grad());
  const at::NoGradGuard no_grad;
  CHECK_FALSE(recomputed(x, layer, layer).requires_grad());
}
