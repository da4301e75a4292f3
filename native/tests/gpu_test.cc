// What only a card can show. Each case names itself as skipped where there is none.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cstdio>
#include <future>
#include <thread>

#include "distributed/gloo_group.h"
#include "distributed/nccl_group.h"
#include "model_support.h"
#include "nn/compact_linear.h"
#include "nn/float8_linear.h"
#include "paths.h"
#include "remote/load_module.h"
#include "remote/worker_process.h"
#include "runtime/accelerator.h"
#include "runtime/captured_module.h"
#include "runtime/cuda_parts.h"
#include "runtime/error.h"
#include "runtime/lane.h"
#include "temporary.h"

using namespace torchsight;
using namespace std::chrono_literals;

namespace {

const at::Device kCard(at::kCUDA, 0);

// Counted by scripts/steps/count.mjs.
bool skipped(const std::string& reason) {
  const char* const name = doctest::getContextOptions()->currentTest->m_name;
  std::printf("skipped: %s (%s)\n", name, reason.c_str());
  return true;
}

bool no_card(size_t cards = 1) {
  const std::vector<at::Device> all = accelerators();
  const bool enough = all.size() >= cards && all[0].is_cuda();
  return !enough && skipped(cards == 1 ? "no card" : "fewer than two cards");
}

bool no_parts() {
  return no_card() || (!cuda_parts() && skipped("torchsight_cuda was not built"));
}

struct Watcher final : JobObserver {
  std::promise<std::optional<Error>> end;
  void finished(std::optional<Error> error, const JobStats&) override {
    end.set_value(std::move(error));
  }
};

struct Running {
  std::shared_ptr<Watcher> watcher = std::make_shared<Watcher>();
  std::shared_ptr<Job> job;
  std::optional<Error> wait() { return watcher->end.get_future().get(); }
};

Running submit(std::function<void(JobContext&)> work) {
  Running running;
  JobSpec spec;
  spec.work = std::move(work);
  spec.observer = running.watcher;
  spec.repeatable = true;
  running.job = Lane::of(kCard).submit(std::move(spec));
  return running;
}

ModuleOptions on_card(at::ScalarType dtype = at::kFloat) {
  ModuleOptions options;
  options.device = kCard;
  options.dtype = dtype;
  return options;
}

Json vit_for_cards() {
  return test::small_config(R"({"hidden_size": 256, "num_attention_heads": 4,
                                "intermediate_size": 512})");
}

std::shared_ptr<Module> isolated(Json config, int64_t ranks = 1) {
  set_worker_paths({test::worker().string(), test::libraries().string()});
  Json request(Json::Object{{"config", std::move(config)}, {"seed", 1}, {"isolate", true}});
  request.set("device", "cuda").set("tensorParallel", ranks);
  JobContext context;
  return load_module(LoadRequest(std::move(request)), context);
}

}  // namespace

TEST_CASE("gpu: copies through pinned memory, and memory figures that follow tensors") {
  if (no_card()) return;
  require_device(kCard);
  const at::Tensor x = at::randn({1 << 20});
  const DeviceMemory before = device_memory(kCard);
  {
    const at::Tensor there = onto(x, kCard);
    CHECK(there.device() == kCard);
    CHECK(there.cpu().equal(x));
    const DeviceMemory during = device_memory(kCard);
    CHECK(during.allocated >= before.allocated + (4 << 20));
    CHECK(during.reserved >= during.allocated);
    CHECK(during.peak >= during.allocated);
    CHECK(during.total > during.free);
  }
  const DeviceMemory after = device_memory(kCard);
  CHECK(after.allocated == before.allocated);
  empty_cache(kCard);
  CHECK(device_memory(kCard).reserved <= after.reserved);
  reset_peak(kCard);
  CHECK(device_memory(kCard).peak == device_memory(kCard).allocated);
}

TEST_CASE("gpu: OUT_OF_MEMORY fifty times in a row leaves the card usable") {
  if (no_card()) return;
  const int64_t all = device_memory(kCard).total / 4;
  const int64_t reserved = device_memory(kCard).reserved;
  for (int i = 0; i < 50; ++i) {
    auto running = submit([all](JobContext&) {
      const auto numbers = at::TensorOptions().device(kCard);
      const at::Tensor half = at::empty({all / 2}, numbers);
      at::empty({all}, numbers).fill_(1);
    });
    const auto error = running.wait();
    REQUIRE(error.has_value());
    CHECK(error->code() == ErrorCode::kOutOfMemory);
    double sum = 0;
    auto good = submit([&sum](JobContext&) {
      sum = at::ones({1000}, at::TensorOptions().device(kCard)).sum().item<double>();
    });
    CHECK_FALSE(good.wait().has_value());
    CHECK(sum == 1000);
  }
  empty_cache(kCard);
  CHECK(device_memory(kCard).reserved <= reserved + (64 << 20));
}

TEST_CASE("gpu: a job is cancelled between layers, not after all of its work") {
  if (no_card()) return;
  std::atomic<int> layers{0};
  auto running = submit([&layers](JobContext& context) {
    const at::Tensor a = at::randn({4096, 4096}, at::TensorOptions().device(kCard));
    for (; layers < 10'000; ++layers) {
      at::mm(a, a);
      context.checkpoint();
    }
  });
  while (layers < 20) std::this_thread::sleep_for(1ms);
  const auto begin = Clock::now();
  running.job->lane().cancel(running.job);
  CHECK(running.wait()->code() == ErrorCode::kCancelled);
  CHECK(Clock::now() - begin < 1s);
  CHECK(layers < 10'000);
}

TEST_CASE("gpu: every ViT-22B fixture in float32") {
  if (no_card()) return;
  for (const auto& folder : test::vit22b_fixtures()) {
    CAPTURE(folder.string());
    const auto module = test::load_fixture(folder, on_card());
    const NamedTensors expected = test::read_tensors(folder / "expected.safetensors");
    const NamedTensors inputs = test::read_tensors(folder / "inputs.safetensors");
    const NamedTensors results =
        test::call(*module, "encode", test::get(inputs, "pixel_values"), {"all"});
    for (const auto& [name, tensor] : expected) {
      if (name == "logits") continue;
      CHECK(test::relative_error(test::get(results, name).cpu(), tensor) < 1e-4);
    }
  }
}

TEST_CASE("gpu: captured calls of a ViT-22B give what plain ones give") {
  if (no_card()) return;
  if (!has_work_graphs(kCard)) return void(skipped("this libtorch has no graphs for cards"));
  const std::shared_ptr<Module> plain = test::random_model(vit_for_cards(), on_card(at::kBFloat16));
  const auto captured = capture_calls(plain);
  for (const int64_t batch : {1, 2, 1}) {
    for (int i = 0; i < 3; ++i) {
      const at::Tensor x = at::randn({batch, 3, 12, 12});
      const at::Tensor a = test::get(test::call(*captured, "encode", x), "pooler_output");
      const at::Tensor b = test::get(test::call(*plain, "encode", x), "pooler_output");
      CHECK(test::relative_error(a.cpu(), b.cpu()) < 2e-2);
    }
  }
}

TEST_CASE("gpu: few rows times an int8 weight") {
  if (no_parts()) return;
  for (const int64_t in : {2048, 1000, 37}) {
    const at::Tensor weight = at::randn({515, in}, at::TensorOptions().device(kCard));
    CompactLinear layer(weight);
    layer.quantize();
    const at::Tensor dense = layer.dense().to(at::kDouble);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      for (const int64_t rows : {1, 2, 3, 8, 9, 40}) {
        const at::Tensor x = at::randn({rows, in}, at::TensorOptions().device(kCard)).to(dtype);
        const at::Tensor expected = at::mm(x.to(at::kDouble), dense.t());
        const double bound = dtype == at::kFloat ? 1e-5 : 2e-2;
        CHECK((layer(x).scalar_type() == dtype));
        CHECK(test::relative_error(layer(x).cpu(), expected.cpu()) < bound);
      }
    }
  }
}

TEST_CASE("gpu: texts of captured steps are those of the CPU") {
  if (no_card()) return;
  const Json config = Json::parse(
      R"({"model_type": "gemma", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 97,
          "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
          "head_dim": 16})");
  for (const char* weights : {"as loaded", "int8"}) {
    const auto write = [&](ModuleOptions options) {
      options.extra = Json(Json::Object{{"weights", weights}});
      const auto model = test::random_model(config, options);
      const at::Tensor ids = at::tensor({2, 17, 5, 90}, at::kLong).view({1, 4});
      Call call{{{"input_ids", ids}}, Json(Json::Object{{"max_new_tokens", 24}}), {}};
      JobContext context;
      return test::get(model->call("generate", call, context), "sequences").cpu();
    };
    CHECK(write(on_card()).equal(write({})));
  }
}

TEST_CASE("gpu: a ViT-22B in float8 beside bfloat16") {
  if (no_card()) return;
  try {
    float8::require(kCard);
  } catch (const Error& error) {
    return void(skipped(error.what()));
  }
  ModuleOptions options = on_card(at::kBFloat16);
  const auto plain = test::random_model(vit_for_cards(), options);
  options.extra = Json(Json::Object{{"weights", "float8"}});
  const auto narrow = test::random_model(vit_for_cards(), options);
  const at::Tensor x = at::randn({4, 3, 12, 12});
  const auto tokens = [&x](Module& module) {
    return test::get(test::call(module, "encode", x), "last_hidden_state").to(at::kFloat).cpu();
  };
  CHECK(at::cosine_similarity(tokens(*narrow), tokens(*plain), -1).min().item<float>() > 0.97f);
}

TEST_CASE("gpu: an isolated model on a card, whose worker is restarted after the card failed") {
  if (no_card()) return;
  Json config = vit_for_cards();
  const auto module = isolated(config);
  const at::Tensor x = at::randn({2, 3, 12, 12});
  CHECK(test::get(test::call(*module, "encode", x), "pooler_output").sizes()[0] == 2);

  const auto failing = isolated(Json(Json::Object{{"model_type", "torchsight_diagnostics"}}));
  JobContext context;
  const auto call = [&](const char* method, Json options) {
    Call call{{}, std::move(options), {}};
    return failing->call(method, call, context);
  };
  try {
    call("fail", Json(Json::Object{{"kind", "device"}}));
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.reason() == kDeviceLostReason);
  }
  CHECK(call("all_reduce", Json(Json::Object{{"n", 3}})).size() == 1);
}

TEST_CASE("gpu: NCCL joins a group, of one card where there are no more") {
  if (no_parts()) return;
  const TemporaryPath path;
  GlooOptions options;
  const auto store = make_file_store(path.string(), 1, options.timeout);
  const auto group =
      make_nccl_group(store, make_gloo_group(store, options), options.timeout, kCard);
  const at::Tensor x = at::randn({4, 3}, at::TensorOptions().device(kCard));
  at::Tensor sum = x.clone();
  group->all_reduce(sum);
  const at::Tensor gathered = group->all_gather(x), exchanged = group->all_to_all(x);
  group->finish();
  for (const at::Tensor& same : {sum, gathered, exchanged}) CHECK(same.equal(x));
  CHECK_FALSE(group->agree(false));
}

TEST_CASE("gpu: ranks on cards compute what one card computes") {
  if (no_parts() || no_card(2)) return;
  const Json config = vit_for_cards();
  const auto whole = isolated(config), ranks = isolated(config, 2);
  const at::Tensor x = at::randn({2, 3, 12, 12});
  const auto tokens = [&x](Module& module) {
    return test::get(test::call(module, "encode", x), "last_hidden_state");
  };
  CHECK(test::relative_error(tokens(*ranks), tokens(*whole)) < 1e-4);
}
