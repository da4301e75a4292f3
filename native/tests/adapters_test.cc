// Low-rank adapters: their gradients, and that all else stays as it is.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "runtime/error.h"
#include "tests/training_support.h"
#include "training/adapters.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

constexpr const char* kOptions = R"({"schedule":{"peak":0.02},"groups":[{"pattern":"head.*"}],
    "adapters":{"patterns":["blocks.*.attn.q.weight","blocks.*.mlp.fc1.weight"],
        "rank":2,"alpha":6,"seed":4}})";

bool adapted(const std::string& name) {
  return name.starts_with("blocks.") &&
         (name.ends_with(".attn.q.weight") || name.ends_with(".mlp.fc1.weight"));
}

}  // namespace

TEST_CASE("adapters: gradients are those of W + alpha/rank B A, as autograd has them") {
  for (const bool fuse : {true, false}) {
    ModuleOptions options;
    options.dtype = at::kDouble;
    options.extra = Json::Object{{"fuse", fuse}};
    const auto module = random_model(labelled(), options);
    const Adapters adapters(*module, {{"blocks.*.attn.q.weight", "blocks.0.mlp.*"}, 3, 6, 1});
    const std::vector<Weight> weights = adapters.weights();
    CHECK(weights.size() == 2 * 5);
    const at::NoGradGuard no_grad;
    for (const Weight& weight : weights) {
      at::Tensor value = weight.value;
      value.copy_(at::sin(at::arange(value.numel(), at::kDouble)).view(value.sizes()) * 0.3);
    }
    const at::Tensor pixels = batch_of(2, at::kDouble).front().second;
    const auto value = [&] {
      adapters.merge();
      Call call{{{"pixel_values", pixels}}, Json::Object{}, {}};
      JobContext context;
      return get(module->run("classify", call, context), "logits").square().sum();
    };
    {
      const at::AutoGradMode enabled(true);
      value().backward();
    }
    adapters.derive();
    check_gradients(weights, value);
  }
}

TEST_CASE("adapters: only they and what groups name are trained, with state of their own alone") {
  const auto module = random_model(labelled());
  const std::vector<Parameter> parameters = module->parameters();
  const std::vector<at::Tensor> before = values_of(*module);
  const auto trainer = trainer_of(*module, kOptions);
  CHECK(same(before, values_of(*module)));
  for (int i = 0; i < 3; ++i) run(*trainer, "step", batch_of(4));
  const auto check = [&](bool merged) {
    const std::vector<at::Tensor> after = values_of(*module);
    for (size_t i = 0; i < before.size(); ++i) {
      const std::string& name = parameters[i].name;
      CAPTURE(name);
      const bool moves = name.starts_with("head.") || (merged && adapted(name));
      CHECK(at::equal(before[i], after[i]) != moves);
    }
  };
  check(true);
  const at::Tensor pixels = batch_of(2).front().second;
  const at::Tensor during = get(call(*module, "classify", pixels), "logits");
  run(*trainer, "take_out");
  check(false);
  CHECK_FALSE(at::equal(get(call(*module, "classify", pixels), "logits"), during));
  run(*trainer, "merge");
  CHECK(at::equal(get(call(*module, "classify", pixels), "logits"), during));

  std::set<std::string> with_state;
  for (const auto& [name, tensor] : trainer->snapshot()) {
    if (!name.starts_with("optimizer.")) continue;
    with_state.insert(name);
    CHECK((name.starts_with("optimizer.head.") || name.find(".lora_") != std::string::npos));
  }
  CHECK(with_state.size() == 2 * (2 + 2 * 6));
}

TEST_CASE("adapters: a run that is taken up again goes on to the same bits, averages included") {
  Json options = Json::parse(kOptions);
  options.set("ema", 0.5);
  const auto module = random_model(labelled());
  const auto trainer = module->open_session("trainer", options);
  for (int i = 0; i < 3; ++i) run(*trainer, "step", batch_of(4));
  const NamedTensors state = trainer->snapshot();
  const std::vector<at::Tensor> weights = values_of(*module);

  const auto other = random_model(labelled());
  for (size_t i = 0; i < weights.size(); ++i) other->parameters()[i].tensor.copy_(weights[i]);
  const auto resumed = other->open_session("trainer", options);
  resumed->restore(state);
  CHECK(same(values_of(*other), weights));
  run(*resumed, "exchange");
  CHECK(distance(values_of(*other), weights) > 1e-5);
  run(*resumed, "exchange");
  CHECK(same(values_of(*other), weights));
  for (int i = 0; i < 2; ++i) {
    const NamedTensors told = run(*trainer, "step", batch_of(5));
    const NamedTensors again = run(*resumed, "step", batch_of(5));
    for (const auto& [name, value] : told) CHECK(at::equal(value, get(again, name)));
  }
  CHECK(same(values_of(*module), values_of(*other)));

  const auto third = random_model(labelled());
  const auto adopting = third->open_session("trainer", options);
  run(*adopting, "adopt", run(*trainer, "trained"));
  CHECK(same(values_of(*third), values_of(*module)));
  CHECK_THROWS_AS(run(*adopting, "adopt", {}), Error);
}

TEST_CASE("adapters: options that mean nothing are refused, and leave the module as it was") {
  const auto module = random_model(labelled());
  for (const char* bad :
       {R"({"adapters":{}})", R"({"adapters":{"patterns":["no.such.weight"]}})",
        R"({"adapters":{"patterns":["*.bias"]}})", R"({"adapters":{"patterns":["*"],"rank":0}})",
        R"({"adapters":{"patterns":["*"],"alpha":0}})",
        R"({"adapters":{"patterns":["*"]},"groups":[{"pattern":"*.attn.q.weight"}]})"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(trainer_of(*module, bad), Error);
  }
  for (const Parameter& parameter : module->parameters()) {
    CHECK_FALSE(parameter.tensor.requires_grad());
  }
}
