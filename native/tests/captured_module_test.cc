// Captured calls, with a graph that does its work anew: what is tested is what lies where.
#include "runtime/captured_module.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "model_support.h"
#include "runtime/error.h"

using namespace torchsight;

namespace {

struct Counts {
  int captures = 0;
  int replays = 0;
};

class Again final : public WorkGraph {
 public:
  explicit Again(Counts& counts) : counts_(counts) {}
  void capture(const std::function<void()>& work) override {
    ++counts_.captures;
    work_ = work;
  }
  void replay() override {
    ++counts_.replays;
    work_();
  }

 private:
  Counts& counts_;
  std::function<void()> work_;
};

struct Setup {
  Counts counts;
  std::shared_ptr<Module> plain = test::random_model(test::small_config());
  CapturedModule captured{plain, [this] { return std::make_unique<Again>(counts); }};
};

void check_equal(const NamedTensors& a, const NamedTensors& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].first == b[i].first);
    CHECK(a[i].second.equal(b[i].second));
  }
}

}  // namespace

TEST_CASE("captured calls give what plain ones give, and results stay their own") {
  Setup setup;
  std::vector<at::Tensor> inputs;
  std::vector<NamedTensors> results;
  for (int i = 0; i < 3; ++i) {
    inputs.push_back(at::randn({2, 3, 12, 12}));
    results.push_back(test::call(setup.captured, "encode", inputs.back()));
  }
  CHECK(setup.counts.captures == 1);
  CHECK(setup.counts.replays == 2);
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_equal(results[i], test::call(*setup.plain, "encode", inputs[i]));
  }
}

TEST_CASE("each shape, method and option is captured by itself, the oldest given up") {
  Setup setup;
  const auto encode = [&](int64_t batch) {
    const at::Tensor x = at::randn({batch, 3, 12, 12});
    check_equal(test::call(setup.captured, "encode", x), test::call(*setup.plain, "encode", x));
  };
  for (int64_t batch = 1; batch <= int64_t{CapturedModule::kMost}; ++batch) encode(batch);
  encode(1);  // still there, and now the one used last
  CHECK(setup.counts.captures == int{CapturedModule::kMost});
  encode(9);
  encode(1);
  CHECK(setup.counts.captures == int{CapturedModule::kMost} + 1);
  encode(2);  // given up for 9
  CHECK(setup.counts.captures == int{CapturedModule::kMost} + 2);

  const at::Tensor x = at::randn({2, 3, 12, 12});
  const Json telemetry(Json::Object{{"telemetry", true}});
  const int before = setup.counts.captures;
  for (int i = 0; i < 2; ++i) {
    check_equal(test::call(setup.captured, "encode", x, {}, telemetry),
                test::call(*setup.plain, "encode", x, {}, telemetry));
  }
  CHECK(setup.counts.captures == before + 1);
}

TEST_CASE("taps are not captured, and bad calls are refused as ever") {
  Setup setup;
  const at::Tensor x = at::randn({1, 3, 12, 12});
  for (int i = 0; i < 2; ++i)
    test::get(test::call(setup.captured, "encode", x, {"blocks.1"}), "blocks.1");
  CHECK(setup.counts.captures == 0);
  CHECK_THROWS_AS(test::call(setup.captured, "encode", at::randn({3, 12})), Error);
  CHECK_THROWS_AS(test::call(setup.captured, "no_such_method", x), Error);
  CHECK(setup.counts.captures == 0);
  CHECK(setup.captured.parameters().size() == setup.plain->parameters().size());
}

TEST_CASE("models whose work cannot be captured are refused") {
  const auto make = [] { return std::unique_ptr<WorkGraph>(); };
  const Json config(Json::Object{{"model_type", "torchsight_diagnostics"}});
  const std::shared_ptr<Module> module = make_module(config, {});
  CHECK_THROWS_AS(CapturedModule(module, make), Error);
  CHECK_THROWS_AS(capture_calls(test::random_model(test::small_config())), Error);  // on a CPU
}
