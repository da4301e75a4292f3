// Objectives and what steps tell: contrast, distillation, attention, single examples.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "runtime/error.h"
#include "tests/training_support.h"
#include "training/cross_entropy.h"
#include "training/gradients.h"
#include "training/weights.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

Json two_towers() {
  return Json::parse(R"({"model_type":"siglip",
      "text_config":{"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
          "num_attention_heads":2,"max_position_embeddings":6,"vocab_size":30,
          "projection_size":12},
      "vision_config":{"hidden_size":12,"intermediate_size":20,"num_hidden_layers":1,
          "num_attention_heads":3,"image_size":12,"patch_size":4}})");
}

NamedTensors pairs(int64_t count, at::ScalarType dtype = at::kFloat) {
  const at::Tensor embeds = at::sin(at::arange(count * 12, dtype).mul(0.9)).view({count, 12});
  const at::Tensor ids = at::arange(count * 6, at::kLong).mul(7).remainder(30).view({count, 6});
  return {{"input_ids", ids}, {"image_embeds", embeds}};
}

at::Tensor logits_of(Module& module, const NamedTensors& inputs) {
  Call call{inputs, Json::Object{}, {}};
  JobContext context;
  return get(module.run("similarity", call, context), "logits_per_image");
}

}  // namespace

TEST_CASE("contrast: derivatives of both towers, as finite differences have them") {
  ModuleOptions options;
  options.dtype = at::kDouble;
  const auto module = random_model(two_towers(), options);
  for (const Parameter& parameter : module->parameters()) {
    if (parameter.name == "logit_scale") parameter.tensor.fill_(1);
    if (parameter.name == "logit_bias") parameter.tensor.fill_(-0.5);
  }
  const std::vector<Weight> weights = weights_to_train(*module, {});
  NamedTensors inputs{pairs(3, at::kDouble).front(), batch_of(3, at::kDouble).front()};
  inputs.push_back({"attention_mask", at::tensor({1, 1, 1, 1, 0, 1}, at::kLong).expand({3, 6})});
  const auto value = [&] { return logits_of(*module, inputs).square().sum(); };
  {
    const at::AutoGradMode enabled(true);
    value().backward();
  }
  check_gradients(weights, value);
}

TEST_CASE("contrast: losses have their closed forms and fall, with the other tower as it was") {
  for (const char* loss : {"sigmoid", "softmax"}) {
    CAPTURE(loss);
    const auto module = random_model(two_towers());
    for (const Parameter& parameter : module->parameters()) {
      if (parameter.name == "logit_scale") parameter.tensor.fill_(std::log(10.0));
      if (parameter.name == "logit_bias") parameter.tensor.fill_(-10);
    }
    const std::vector<Parameter> parameters = module->parameters();
    const std::vector<at::Tensor> before = values_of(*module);
    const at::Tensor logits = logits_of(*module, pairs(5));
    const at::Tensor own = at::eye(5);
    const double expected =
        loss[1] == 'i' ? -(at::log_sigmoid(logits).mul(own) + at::log_sigmoid(-logits).mul(1 - own))
                                 .sum()
                                 .item<double>() /
                             5
                       : -(at::log_softmax(logits, 0) + at::log_softmax(logits, 1))
                                 .diagonal()
                                 .mean()
                                 .item<double>() /
                             2;
    Json options = Json::parse(R"({"schedule":{"peak":0.005},
        "groups":[{"pattern":"vision_model.*","frozen":true}]})");
    options.set("loss", loss);
    const auto trainer = module->open_session("trainer", options);
    double last = loss_of(run(*trainer, "step", pairs(5)));
    CHECK(last == doctest::Approx(expected).epsilon(1e-5));
    for (int i = 0; i < 60; ++i) last = loss_of(run(*trainer, "step", pairs(5)));
    CHECK(last < 0.5 * expected);
    const std::vector<at::Tensor> after = values_of(*module);
    for (size_t i = 0; i < before.size(); ++i) {
      if (!parameters[i].name.starts_with("vision_model.")) continue;
      CHECK(at::equal(before[i], after[i]));
    }
    NamedTensors uneven = pairs(5);
    uneven.back().second = at::ones({4, 12});
    CHECK_THROWS_AS(run(*trainer, "step", uneven), Error);
  }
  const auto module = random_model(two_towers());
  for (const char* bad : {R"({"accumulate":2})", R"({"clipPerExample":1})", R"({"loss":"hinge"})",
                          R"({"telemetry":true})", R"({"method":"encode_text"})"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(trainer_of(*module, bad), Error);
  }
}

TEST_CASE("distillation: the loss is the divergence that was asked for") {
  const at::Tensor teacher = at::sin(at::arange(20, at::kFloat)).view({4, 5}) * 3;
  const at::Tensor labels = at::arange(4, at::kLong);
  for (const auto& [temperature, alpha] : {std::pair{1.0, 1.0}, {3.0, 1.0}, {2.0, 0.3}}) {
    const auto module = random_model(labelled());
    NamedTensors batch = batch_of(4);
    const at::Tensor student = get(call(*module, "classify", batch[0].second), "logits");
    batch = {batch[0], {"teacher_logits", teacher}};
    if (alpha < 1) batch.emplace_back("labels", labels);
    const at::Tensor p = at::softmax(teacher / temperature, 1);
    const double divergence =
        (p * (p.log() - at::log_softmax(student / temperature, 1))).sum().item<double>() / 4;
    const double expected = alpha * temperature * temperature * divergence +
                            (1 - alpha) * softmax_cross_entropy(student, labels).item<double>();
    Json options = Json::parse(R"({"loss":"distillation","schedule":{"peak":0.01}})");
    options.set("distillation", Json::Object{{"temperature", temperature}, {"alpha", alpha}});
    const auto trainer = module->open_session("trainer", options);
    double last = loss_of(run(*trainer, "step", batch));
    CHECK(last == doctest::Approx(expected).epsilon(1e-4));
    for (int i = 0; i < 40; ++i) last = loss_of(run(*trainer, "step", batch));
    CHECK(last < 0.6 * expected);
    batch[1].second = at::ones({4, 4});
    CHECK_THROWS_AS(run(*trainer, "step", batch), Error);
  }
}

TEST_CASE("attention: a step tells what a call with telemetry does, of all parts of a batch") {
  const auto module = random_model(labelled());
  const NamedTensors batch = batch_of(6);
  const NamedTensors expected =
      call(*module, "classify", batch[0].second, {}, Json::Object{{"telemetry", true}});
  for (const char* options :
       {R"({"telemetry":true})", R"({"telemetry":true,"accumulate":3,"recompute":true})"}) {
    const auto fresh = random_model(labelled());
    const NamedTensors told = run(*trainer_of(*fresh, options), "step", batch);
    for (const char* name : {"max_attention_logit", "attention_entropy"}) {
      CAPTURE(name);
      CHECK(at::allclose(get(told, name), get(expected, name).to(at::kDouble), 1e-4, 1e-5));
    }
  }
  const NamedTensors silent = run(*trainer_of(*module), "step", batch);
  CHECK_FALSE(find_tensor(silent, "attention_entropy"));
}

TEST_CASE("single examples: each one's gradient is clipped before the mean is taken") {
  constexpr double kMost = 0.7, kRate = 0.1;
  constexpr int64_t kBatch = 5;
  const auto reference = random_model(labelled());
  const NamedTensors batch = batch_of(kBatch);
  const std::vector<Weight> weights = weights_to_train(*reference, {});
  std::vector<at::Tensor> expected = values_of(*reference);
  int clipped = 0;
  for (int64_t b = 0; b < kBatch; ++b) {
    clear_gradients(weights);
    {
      const at::AutoGradMode enabled(true);
      Call call{{{"pixel_values", batch[0].second.narrow(0, b, 1)}}, Json::Object{}, {}};
      JobContext context;
      const NamedTensors outputs = reference->run("classify", call, context);
      sigmoid_cross_entropy(get(outputs, "logits"), batch[1].second.narrow(0, b, 1)).backward();
    }
    double squares = 0;
    for (const Weight& weight : weights) {
      squares += weight.gradient().to(at::kDouble).square().sum().item<double>();
    }
    const double scale = std::min(1.0, kMost / std::sqrt(squares));
    clipped += scale < 1;
    for (size_t i = 0; i < weights.size(); ++i) {
      expected[i].sub_(weights[i].gradient(), kRate * scale / kBatch);
    }
  }
  CHECK(clipped > 0);
  for (const char* options : {R"({"clipPerExample":0.7,"optimizer":{"kind":"sgd","momentum":0},
           "schedule":{"peak":0.1}})",
                              R"({"clipPerExample":0.7,"optimizer":{"kind":"sgd","momentum":0},
           "schedule":{"peak":0.1},"recompute":true})"}) {
    const auto module = random_model(labelled());
    const auto trainer = trainer_of(*module, options);
    run(*trainer, "step", batch);
    CHECK(distance(values_of(*module), expected) < 1e-6);
    CHECK(distance(values_of(*module), values_of(*random_model(labelled()))) > 1e-4);
  }
  CHECK_THROWS_AS(trainer_of(*reference, R"({"clipPerExample":1,"accumulate":2})"), Error);
}

TEST_CASE("a loss that is computed elsewhere moves the weights as the module's own does") {
  for (const char* text : {"{}", R"({"clipPerExample":0.7})", R"({"recompute":true,"ema":0.9})"}) {
    CAPTURE(text);
    Json options = Json::parse(text);
    options.set("schedule", Json::parse(R"({"peak":0.01})"));
    const auto own = random_model(labelled()), given = random_model(labelled());
    const auto trainer = own->open_session("trainer", options);
    options.set("loss", "given");
    const auto other = given->open_session("trainer", options);
    CHECK_THROWS_AS(run(*other, "update"), Error);
    const int64_t count = options.find("clipPerExample") ? 4 : 1;
    for (int step = 0; step < 3; ++step) {
      const NamedTensors batch = batch_of(4);
      const NamedTensors told = run(*trainer, "step", batch);
      for (int64_t part = 0; part < count; ++part) {
        const int64_t size = 4 / count;
        const at::AutoGradMode enabled(true);
        const NamedTensors outputs = run(
            *other, "forward", {{"pixel_values", batch[0].second.narrow(0, part * size, size)}});
        const at::Tensor loss = sigmoid_cross_entropy(get(outputs, "logits"),
                                                      batch[1].second.narrow(0, part * size, size));
        Call call{{{"loss", loss}},
                  Json::Object{{"part", part}, {"share", 1.0 / static_cast<double>(count)}},
                  {}};
        JobContext context;
        other->call("backward", call, context);
      }
      const NamedTensors moved = run(*other, "update");
      CHECK(at::equal(get(moved, "loss"), get(told, "loss")));
      CHECK(at::equal(get(moved, "gradient_norm"), get(told, "gradient_norm")));
    }
    CHECK(same(values_of(*own), values_of(*given)));
    CHECK_THROWS_AS(run(*other, "step", {batch_of(2).front()}), Error);
    CHECK_THROWS_AS(run(*other, "backward", {{"loss", at::ones({})}}), Error);
  }
}
