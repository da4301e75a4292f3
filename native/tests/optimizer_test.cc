// Optimizers and schedules against torch.optim and optax (scripts/oracles/optimizers.py).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/tensor_file.h"
#include "runtime/error.h"
#include "tests/model_support.h"
#include "tests/paths.h"
#include "training/optimizer.h"
#include "training/schedule.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

const std::filesystem::path kFixtures = test::fixtures() / "optimizers";
const std::vector<std::string> kNames{"matrix", "square", "stack", "narrow", "row"};

Schedule schedule_of(const std::string& json) {
  return Schedule::from_json(Json::parse(json));
}

void check_steps(const std::filesystem::path& file) {
  CAPTURE(file.filename().string());
  const at::NoGradGuard no_grad;
  const NamedTensors tensors = read_tensors(file);
  const Json facts = Json::parse(open_tensor_file(file)->metadata().at("case").as_string());
  std::vector<Weight> weights;
  for (const std::string& name : kNames) {
    const at::Tensor value = get(tensors, "start." + name).clone();
    weights.push_back({name, value, value, 1, facts.get("decay", 0.0)});
  }
  const auto optimizer = make_optimizer(facts.at("options"), weights);
  for (int64_t step = 0; step < facts.at("steps").as_int(); ++step) {
    const std::string number = std::to_string(step) + ".";
    std::vector<at::Tensor> gradients;
    for (const std::string& name : kNames) {
      gradients.push_back(get(tensors, "gradient." + number + name).clone());
    }
    optimizer->step(weights, gradients, facts.get("rate", 0.0), step);
    for (const Weight& weight : weights) {
      CAPTURE(weight.name);
      CAPTURE(step);
      const at::Tensor expected = get(tensors, "weight." + number + weight.name);
      CHECK((weight.value - expected).abs().max().item<float>() < 2e-6);
    }
  }
}

}  // namespace

TEST_CASE("optimizers: the weights after each step are those of torch.optim and optax") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFixtures)) {
    if (entry.path().extension() != ".safetensors") continue;
    check_steps(entry.path());
    ++count;
  }
  CHECK(count == 6);
}

TEST_CASE("optimizers: a rate and a decay of its own for each weight") {
  const at::NoGradGuard no_grad;
  for (const char* kind : {"adamw", "sgd", "adafactor"}) {
    CAPTURE(kind);
    const at::Tensor all = at::ones({4, 8});
    std::vector<Weight> weights;
    for (const auto& [rate, decay] : {std::pair{1.0, 0.0}, {0.5, 0.0}, {1.0, 0.1}, {0.0, 0.1}}) {
      const at::Tensor value = all[static_cast<int64_t>(weights.size())];
      weights.push_back({std::to_string(weights.size()), value, value, rate, decay});
    }
    const auto optimizer = make_optimizer(Json(Json::Object{{"kind", kind}}), weights);
    optimizer->step(weights, std::vector<at::Tensor>(4, at::ones({8})), 0.1, 0);
    const auto moved = [&](int64_t i) { return 1 - all[i][0].item<double>(); };
    CHECK(moved(0) > 0);
    CHECK(moved(1) == doctest::Approx(moved(0) / 2).epsilon(1e-4));
    CHECK(moved(2) > moved(0));
    CHECK(moved(3) == 0);
  }
}

TEST_CASE("schedules: rates are optax's") {
  std::ifstream file(kFixtures / "schedules.json");
  std::stringstream text;
  text << file.rdbuf();
  const Json schedules = Json::parse(text.str());
  for (const Json& entry : schedules.as_array()) {
    CAPTURE(entry.at("options").dump());
    const Schedule schedule = Schedule::from_json(entry.at("options"));
    const auto& rates = entry.at("rates").as_array();
    CHECK(rates.size() == 100);
    for (size_t t = 0; t < rates.size(); ++t) {
      CHECK(std::abs(schedule.at(static_cast<int64_t>(t)) - rates[t].as_double()) < 1e-6);
    }
  }
}

TEST_CASE("schedules: rsqrt as big_vision has it, by hand") {
  const Schedule schedule =
      schedule_of(R"({"kind":"rsqrt","peak":1e-3,"steps":177000,"warmup":10000,"cooldown":30000})");
  CHECK(schedule.at(0) == 0);
  CHECK(schedule.at(5'000) == doctest::Approx(0.5e-3));
  CHECK(schedule.at(10'000) == doctest::Approx(1e-3));
  CHECK(schedule.at(20'000) == doctest::Approx(1e-3 / std::sqrt(2.0)));
  CHECK(schedule.at(162'000) == doctest::Approx(0.5 * 1e-3 / std::sqrt(16.2)));
  CHECK(schedule.at(177'000) == 0);
  const Schedule shifted = schedule_of(R"({"kind":"rsqrt","peak":2,"timescale":100,"shift":300})");
  CHECK(shifted.at(0) == doctest::Approx(1));
  CHECK(schedule_of(R"({"peak":0.25})").at(1'000'000) == 0.25);
}

TEST_CASE("schedules and optimizers: numbers that mean nothing are refused by name") {
  for (const auto& [json, name] : {std::pair{R"({"kind":"step"})", "schedule.kind"},
                                   {R"({"peak":0})", "schedule.peak"},
                                   {R"({"kind":"cosine"})", "schedule.steps"},
                                   {R"({"warmup":-1})", "schedule.warmup"},
                                   {R"({"cooldown":5,"steps":3,"warmup":3})", "schedule.steps"}}) {
    CAPTURE(json);
    CHECK_THROWS_WITH_AS(schedule_of(json), doctest::Contains(name), Error);
  }
  for (const auto& [json, name] : {std::pair{R"({"kind":"lion"})", "optimizer.kind"},
                                   {R"({"beta1":1.5})", "optimizer.beta1"},
                                   {R"({"kind":"sgd","nesterov":1})", "optimizer.nesterov"}}) {
    CAPTURE(json);
    CHECK_THROWS_WITH_AS(make_optimizer(Json::parse(json), {}), doctest::Contains(name), Error);
  }
}
