// The trainer: derivatives of whole models, and what a run promises.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "tests/training_support.h"
#include "training/gradients.h"
#include "training/weights.h"

using namespace torchsight;
using namespace torchsight::test;

TEST_CASE("derivatives: of every weight, as finite differences have them") {
  for (const char* changes :
       {"{}", R"({"block":"sequential","norm":"layernorm","qkv_bias":true,"hidden_act":"gelu"})",
        R"({"qk_norm":"rmsnorm","qk_norm_scale":"per_head","norm":"layernorm_no_bias"})",
        R"({"qk_norm_scale":"per_head","pooling":"mean"})",
        R"({"class_token":true,"pooling":"token","qk_norm":"none"})"}) {
    CAPTURE(changes);
    for (const bool fuse : {true, false}) {
      ModuleOptions options;
      options.dtype = at::kDouble;
      options.extra = Json::Object{{"fuse", fuse}};
      const auto module = random_model(labelled(changes), options);
      const std::vector<Weight> weights = weights_to_train(*module, {});
      const at::Tensor pixels = batch_of(2, at::kDouble).front().second;
      const auto value = [&] {
        Call call;
        call.inputs = {{"pixel_values", pixels}};
        call.options = Json::Object{};
        JobContext context;
        return get(module->run("classify", call, context), "logits").square().sum();
      };
      {
        const at::AutoGradMode enabled(true);
        value().backward();
      }
      check_gradients(weights, value);
    }
  }
}

TEST_CASE("the first loss has a closed form, and steps make it smaller") {
  for (const char* loss : {"sigmoid", "softmax"}) {
    CAPTURE(loss);
    Json config = labelled();
    config.set("loss", loss);
    const auto module = random_model(config);
    for (const Parameter& parameter : module->parameters()) {
      // As a new head is: no weights, and a bias that makes labels improbable or equal.
      if (parameter.name == "head.weight") parameter.tensor.zero_();
      if (parameter.name == "head.bias") parameter.tensor.fill_(loss[1] == 'i' ? -10 : 0);
    }
    NamedTensors batch = batch_of(6);
    double expected = std::log(5.0);
    if (loss[1] == 'i') {
      const double ones = batch[1].second.sum().item<double>() / 6;
      expected = ones * std::log1p(std::exp(10)) + (5 - ones) * std::log1p(std::exp(-10));
    } else {
      batch[1].second = at::arange(6, at::kLong).remainder(5);
    }
    const auto trainer = trainer_of(*module, R"({"schedule":{"peak":0.01},"clip":1})");
    double last = loss_of(run(*trainer, "step", batch));
    CHECK(last == doctest::Approx(expected).epsilon(1e-5));
    for (int i = 0; i < 40; ++i) last = loss_of(run(*trainer, "step", batch));
    CHECK(last < 0.5 * expected);
    const double evaluated = loss_of(run(*trainer, "evaluate", batch));
    CHECK(evaluated == doctest::Approx(loss_of(run(*trainer, "step", batch))).epsilon(1e-3));
  }
}

TEST_CASE("accumulating parts of a batch is the same as the whole batch") {
  std::vector<std::vector<at::Tensor>> ends;
  for (const char* options : {R"({"optimizer":{"kind":"sgd"},"schedule":{"peak":0.05}})",
                              R"({"optimizer":{"kind":"sgd"},"schedule":{"peak":0.05},
                                  "accumulate":3})"}) {
    const auto module = random_model(labelled());
    const auto trainer = trainer_of(*module, options);
    for (int i = 0; i < 3; ++i) run(*trainer, "step", batch_of(7));
    ends.push_back(values_of(*module));
  }
  CHECK(distance(ends[0], ends[1]) < 1e-5);
}

TEST_CASE("gradients are clipped to a norm, which is told as it was") {
  const auto step = [](const char* options) {
    const auto module = random_model(labelled());
    const std::vector<at::Tensor> before = values_of(*module);
    const auto trainer = trainer_of(*module, options);
    const double norm = get(run(*trainer, "step", batch_of(4)), "gradient_norm").item<double>();
    const std::vector<at::Tensor> after = values_of(*module);
    double squares = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      squares += (after[i] - before[i]).to(at::kDouble).square().sum().item<double>();
    }
    return std::pair{norm, std::sqrt(squares)};
  };
  const auto [norm, whole] =
      step(R"({"optimizer":{"kind":"sgd"},"schedule":{"peak":1e-3},"groups":[]})");
  const auto [same_norm, clipped] =
      step(R"({"optimizer":{"kind":"sgd"},"schedule":{"peak":1e-3},"clip":0.01})");
  CHECK(norm == doctest::Approx(same_norm));
  CHECK(whole == doctest::Approx(1e-3 * norm).epsilon(1e-2));
  CHECK(clipped == doctest::Approx(1e-5).epsilon(1e-2));
}

TEST_CASE("frozen weights stay, and groups are the first that fits") {
  const auto module = random_model(labelled());
  const std::vector<Parameter> parameters = module->parameters();
  const std::vector<at::Tensor> before = values_of(*module);
  const auto trainer = trainer_of(*module, R"({"schedule":{"peak":0.01},"groups":[
      {"pattern":"blocks.1.*.weight"},{"pattern":"blocks.*","frozen":true},
      {"pattern":"head.*","rate":10,"decay":3}]})");
  run(*trainer, "step", batch_of(4));
  const std::vector<at::Tensor> after = values_of(*module);
  for (size_t i = 0; i < before.size(); ++i) {
    CAPTURE(parameters[i].name);
    const std::string& name = parameters[i].name;
    const bool frozen = name.starts_with("blocks.") &&
                        !(name.starts_with("blocks.1.") && name.ends_with(".weight"));
    CHECK(at::equal(before[i], after[i]) == frozen);
  }
  for (const char* bad : {R"({"groups":[{"pattern":"no.such"}]})", R"({"groups":[{}]})",
                          R"({"groups":[{"pattern":"*","frozen":true}]})",
                          R"({"groups":[{"pattern":"*"},{"pattern":"head.*"}]})"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(trainer_of(*module, bad), Error);
  }
}

TEST_CASE("a run that is taken up again goes on to the same bits") {
  const std::string options = R"({"schedule":{"kind":"cosine","peak":0.01,"steps":8,"warmup":2},
      "clip":1,"ema":0.9,"groups":[{"pattern":"head.*","decay":0.1}]})";
  for (const char* kind : {"adamw", "sgd", "adafactor"}) {
    CAPTURE(kind);
    Json json = Json::parse(options);
    json.set("optimizer", Json::Object{{"kind", kind}, {"momentum", 0.9}});
    const auto module = random_model(labelled());
    const auto trainer = module->open_session("trainer", json);
    for (int i = 0; i < 3; ++i) run(*trainer, "step", batch_of(i + 2));
    const NamedTensors state = trainer->snapshot();
    const std::vector<at::Tensor> weights = values_of(*module);

    const auto other = random_model(labelled());
    for (size_t i = 0; i < weights.size(); ++i) other->parameters()[i].tensor.copy_(weights[i]);
    const auto resumed = other->open_session("trainer", json);
    resumed->restore(state);
    for (int i = 0; i < 3; ++i) {
      const NamedTensors told = run(*trainer, "step", batch_of(i + 2));
      const NamedTensors again = run(*resumed, "step", batch_of(i + 2));
      for (const auto& [name, value] : told) CHECK(at::equal(value, get(again, name)));
    }
    CHECK(same(values_of(*module), values_of(*other)));
    CHECK_THROWS_AS(resumed->restore({state.front()}), Error);
  }
}

TEST_CASE("moving averages lag behind, and are exchanged with the weights") {
  const auto module = random_model(labelled());
  const auto trainer = trainer_of(*module, R"({"schedule":{"peak":0.02},"ema":0.5})");
  for (int i = 0; i < 5; ++i) run(*trainer, "step", batch_of(4));
  const std::vector<at::Tensor> weights = values_of(*module);
  run(*trainer, "exchange");
  CHECK(distance(values_of(*module), weights) > 1e-4);
  run(*trainer, "exchange");
  CHECK(same(values_of(*module), weights));
  const auto plain = random_model(labelled());
  CHECK_THROWS_AS(run(*trainer_of(*plain), "exchange"), Error);
}

TEST_CASE("numbers that are not finite end the step, are told by name, and leave no trace") {
  const auto module = random_model(labelled());
  const auto trainer = trainer_of(*module);
  run(*trainer, "step", batch_of(2));
  const std::vector<at::Tensor> before = values_of(*module);
  NamedTensors batch = batch_of(2);
  batch.front().second[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  try {
    run(*trainer, "step", batch);
    FAIL("a loss that is no number was accepted");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kDiverged);
    CHECK(std::string(error.what()).find("in step 1 ") != std::string::npos);
    CHECK(std::string(error.what()).find("the gradient of patch_embed.weight") !=
          std::string::npos);
  }
  NamedTensors wrong = batch_of(2);
  wrong.back().second = at::ones({2, 4});
  CHECK_THROWS_AS(run(*trainer, "step", wrong), Error);
  CHECK(same(values_of(*module), before));
  CHECK(std::isfinite(loss_of(run(*trainer, "step", batch_of(2)))));
}

TEST_CASE("bfloat16 products: weights stay float32, and the run is nearly the same") {
  std::vector<double> losses;
  for (const char* options :
       {R"({"schedule":{"peak":0.005}})", R"({"schedule":{"peak":0.005},"autocast":"bfloat16"})"}) {
    const auto module = random_model(labelled());
    const auto trainer = trainer_of(*module, options);
    double last = 0;
    for (int i = 0; i < 10; ++i) last = loss_of(run(*trainer, "step", batch_of(4)));
    losses.push_back(last);
    CHECK(std::isfinite(loss_of(run(*trainer, "evaluate", batch_of(4)))));
    CHECK((module->parameters().front().tensor.scalar_type() == at::kFloat));
  }
  CHECK(losses[0] != losses[1]);
  CHECK(losses[1] == doctest::Approx(losses[0]).epsilon(0.1));
}

TEST_CASE("a model calculates with its new weights during and after a run") {
  const auto module = random_model(labelled());
  const at::Tensor pixels = batch_of(3).front().second;
  const at::Tensor before = get(call(*module, "classify", pixels), "logits");
  at::Tensor during;
  {
    const auto trainer = trainer_of(*module, R"({"schedule":{"peak":0.02}})");
    run(*trainer, "step", batch_of(3));
    during = get(call(*module, "classify", pixels), "logits");
  }
  const at::Tensor after = get(call(*module, "classify", pixels), "logits");
  CHECK((during - before).abs().max().item<float>() > 1e-3);
  CHECK(relative_error(after, during) < 1e-4);
  CHECK_FALSE(during.requires_grad());
}
