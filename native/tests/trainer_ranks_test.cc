// Training on a mesh of ranks equals training on one: ranks are threads, in float64 and float32.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <atomic>

#include "runtime/error.h"
#include "tests/model_support.h"
#include "training/state_shares.h"

using namespace torchsight;
using namespace torchsight::test;

namespace {

struct Mesh {
  int64_t parts = 1;
  int64_t replicas = 1;
};

// What a run has come to on one rank.
struct Outcome {
  std::vector<Parameter> parameters;
  std::vector<NamedTensors> told;
  NamedTensors state;
};

Json config_of(const std::string& changes = "{}") {
  Json config = small_config(R"({"hidden_size": 48, "num_attention_heads": 24, "num_labels": 3,
                                 "num_hidden_layers": 2, "class_token": true})");
  const Json parsed = Json::parse(changes);
  for (const auto& [key, value] : parsed.as_object()) config.set(key, value);
  return config;
}

// The gradient of this bias is nothing but rounding, which Adafactor makes large.
constexpr const char* kGroups = R"([{"pattern": "map.attn.k.bias", "frozen": true},
    {"pattern": "head.*", "decay": 0.1}, {"pattern": "*.weight", "decay": 0.03}])";

Json options_of(const char* kind, const std::string& changes = "{}") {
  Json options = Json::parse(changes);
  Json optimizer = Json::Object{{"kind", kind}};
  if (std::string(kind) == "adamw") optimizer.set("eps", 1e-4);
  options.set("optimizer", optimizer).set("groups", Json::parse(kGroups));
  options.set("schedule", Json::Object{{"peak", 0.001}});
  return options;
}

// Samples `begin` to `end` of a batch of 7 pictures with 10 tokens each.
NamedTensors batch_of(int64_t step, int64_t begin = 0, int64_t end = 7) {
  const at::Tensor pixels = at::sin(at::arange(7 * 432, at::kDouble).mul(0.37).add(step));
  const at::Tensor labels = at::sin(at::arange(7 * 3, at::kFloat).mul(1.7).add(step)).gt(0);
  return {{"pixel_values", pixels.view({7, 3, 12, 12}).narrow(0, begin, end - begin)},
          {"labels", labels.to(at::kFloat).view({7, 3}).narrow(0, begin, end - begin)}};
}

NamedTensors run(Session& trainer, const std::string& method, NamedTensors inputs = {},
                 JobContext context = {}) {
  Call call;
  call.inputs = std::move(inputs);
  call.options = Json::Object{};
  return trainer.call(method, call, context);
}

// Calls `work` on each rank of a mesh, with the module's options.
void on_mesh(const Mesh& mesh,
             const std::function<void(int64_t replica, const ModuleOptions& options)>& work) {
  std::vector<std::vector<std::shared_ptr<Group>>> rows, columns;
  for (int64_t r = 0; r < mesh.replicas; ++r) rows.push_back(make_local_groups(mesh.parts));
  for (int64_t t = 0; t < mesh.parts; ++t) columns.push_back(make_local_groups(mesh.replicas));
  on_ranks(mesh.parts * mesh.replicas, [&](const std::shared_ptr<Group>& world) {
    const int64_t replica = world->rank() / mesh.parts, part = world->rank() % mesh.parts;
    ModuleOptions options;
    options.group = mesh.parts > 1 ? rows[replica][part] : nullptr;
    options.replicas = columns[part][replica];
    try {
      work(replica, options);
    } catch (...) {
      for (const auto& row : rows) row.front()->abort();
      for (const auto& column : columns) column.front()->abort();
      throw;
    }
  });
}

std::unique_ptr<Module> model_on(const Json& config, ModuleOptions options) {
  auto module = random_model(config, options);
  module->set_options(options);
  return module;
}

NamedTensors share_of(const Mesh& mesh, int64_t replica, int64_t step) {
  return batch_of(step, 7 * replica / mesh.replicas, 7 * (replica + 1) / mesh.replicas);
}

std::vector<Outcome> trained(const Json& config, const Json& options, const Mesh& mesh,
                             const Json& extra = {}, at::ScalarType dtype = at::kDouble) {
  std::vector<Outcome> outcomes(mesh.parts * mesh.replicas);
  on_mesh(mesh, [&](int64_t replica, ModuleOptions mine) {
    mine.dtype = dtype;
    mine.extra = extra;
    const auto module = model_on(config, mine);
    const auto trainer = module->open_session("trainer", options);
    Outcome outcome;
    for (int64_t step = 0; step < 3; ++step) {
      outcome.told.push_back(run(*trainer, "step", share_of(mesh, replica, step)));
    }
    outcome.told.push_back(run(*trainer, "evaluate", share_of(mesh, replica, 3)));
    outcome.state = run(*trainer, "state");
    const int64_t part = mine.group ? mine.group->rank() : 0;
    for (Parameter& parameter : module->parameters()) {
      parameter.tensor = parameter.tensor.detach().clone();
      outcome.parameters.push_back(std::move(parameter));
    }
    outcomes[replica * mesh.parts + part] = std::move(outcome);
  });
  return outcomes;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// Three steps make more of rounding than one pass does, Adafactor's above all: some 1e-10 where
// sums are 1e-14 apart. What is forgotten or counted twice is off by more than 1e-5.
constexpr double kClose = 1e-9;

// The outcome of every rank is that of one rank alone; gradients' moments by a tenth as much.
void check_equal(const std::vector<Outcome>& outcomes, const Outcome& expected, double tolerance) {
  for (const Outcome& outcome : outcomes) {
    for (size_t i = 0; i < expected.told.size(); ++i) {
      for (const auto& [name, value] : expected.told[i]) {
        CAPTURE(name);
        const double got = get(outcome.told[i], name).item<double>();
        const double wanted = value.item<double>();
        CHECK(std::abs(got - wanted) <= tolerance * std::abs(wanted));
      }
    }
    for (size_t i = 0; i < expected.parameters.size(); ++i) {
      const Parameter& mine = outcome.parameters[i];
      CAPTURE(mine.name);
      at::Tensor wanted = expected.parameters[i].tensor;
      if (mine.cut) wanted = wanted.narrow(mine.cut->dim, mine.cut->begin, mine.cut->length);
      CHECK(difference(mine.tensor, wanted) <= tolerance);
    }
    REQUIRE(outcome.state.size() == expected.state.size());
    for (const auto& [name, wanted] : expected.state) {
      CAPTURE(name);
      const at::Tensor got = get(outcome.state, name);
      REQUIRE(got.sizes() == wanted.sizes());
      CHECK(difference(got, wanted) <= 10 * tolerance * (1 + wanted.abs().max().item<double>()));
    }
  }
}

void check_same(const Outcome& a, const Outcome& b) {
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    CAPTURE(a.parameters[i].name);
    CHECK(at::equal(a.parameters[i].tensor, b.parameters[i].tensor));
  }
  for (const auto& [name, tensor] : a.state) {
    CAPTURE(name);
    CHECK(at::equal(tensor, get(b.state, name)));
  }
}

const char* const kEverything = R"({"clip": 0.5, "ema": 0.9, "accumulate": 2})";

}  // namespace

TEST_CASE("three steps of a sharded model are those of the whole one, by every optimizer") {
  for (const char* kind : {"adamw", "sgd", "adafactor"}) {
    for (const char* block : {"parallel", "sequential"}) {
      Json config = config_of();
      config.set("block", block);
      const Json options = options_of(kind, kEverything);
      const Outcome expected = trained(config, options, {}).front();
      for (const std::string layout : {"tokens", "features", "replicated"}) {
        for (const int64_t parts : {2, 3, 8}) {
          CAPTURE(kind);
          CAPTURE(block);
          CAPTURE(layout);
          CAPTURE(parts);
          const Json extra = Json::Object{{"layout", layout}};
          check_equal(trained(config, options, {parts, 1}, extra), expected, kClose);
        }
      }
    }
  }
}

TEST_CASE("adafactor's updates are clipped by the whole weight") {
  Json options = options_of("adafactor");
  options.set("optimizer", Json::Object{{"kind", "adafactor"}, {"clip_threshold", 0.5}});
  const Outcome expected = trained(config_of(), options, {}).front();
  check_equal(trained(config_of(), options, {4, 1}), expected, kClose);
}

TEST_CASE("replicas with uneven shares make the steps of the whole batch, and repeat them") {
  for (const int64_t replicas : {2, 3}) {
    for (const int64_t bucket : {1, 20'000, 25'000'000}) {
      CAPTURE(replicas);
      CAPTURE(bucket);
      Json options = options_of("adamw", kEverything);
      options.set("bucketBytes", bucket);
      const Outcome expected = trained(config_of(), options, {}).front();
      const auto outcomes = trained(config_of(), options, {1, replicas});
      check_equal(outcomes, expected, kClose);
      const auto again = trained(config_of(), options, {1, replicas});
      for (const Outcome& outcome : again) check_same(outcome, outcomes.front());
    }
  }
}

TEST_CASE("a mesh of 2 x 2 equals one rank") {
  for (const char* kind : {"adamw", "sgd", "adafactor"}) {
    for (const bool divided : {false, true}) {
      CAPTURE(kind);
      CAPTURE(divided);
      Json options = options_of(kind, kEverything);
      const Outcome expected = trained(config_of(), options, {}).front();
      // Layers that are computed again meet again, in the midst of the backward pass.
      options.set("shardOptimizer", divided).set("recompute", divided);
      check_equal(trained(config_of(), options, {2, 2}), expected, kClose);
    }
  }
  const Json options = options_of("sgd", kEverything);
  const Outcome expected = trained(config_of(), options, {}, {}, at::kFloat).front();
  check_equal(trained(config_of(), options, {2, 2}, {}, at::kFloat), expected, 5e-5);
}

TEST_CASE("an optimizer whose state is divided makes the same steps, bit for bit") {
  for (const char* kind : {"adamw", "sgd", "adafactor"}) {
    CAPTURE(kind);
    Json options = options_of(kind, kEverything);
    const Outcome expected = trained(config_of(), options, {1, 3}).front();
    options.set("shardOptimizer", true);
    for (const Outcome& outcome : trained(config_of(), options, {1, 3})) {
      check_same(outcome, expected);
    }
  }
}

TEST_CASE("each replica keeps its share of the state, up to one weight") {
  on_mesh({1, 3}, [&](int64_t, const ModuleOptions& options) {
    const auto module = random_model(config_of());
    const std::vector<Weight> weights = weights_to_train(*module, {});
    const RunRanks ranks = RunRanks::of(options);
    const StateShares shares(ranks, weights, true);
    int64_t all = 0, largest = 0, own = 0;
    for (const Weight& weight : weights) {
      all += weight.value.numel();
      largest = std::max(largest, weight.value.numel());
    }
    for (const Weight& weight : shares.own(weights)) own += weight.value.numel();
    if (own > all / 3 + largest || own == 0) throw Error(ErrorCode::kInternal, "uneven shares");
    if (ranks.sum_replicas(static_cast<double>(own)) != static_cast<double>(all)) {
      throw Error(ErrorCode::kInternal, "shares that are not all");
    }
  });
}

TEST_CASE("averages that are divided take the weights' place on every replica") {
  Json options = options_of("adamw", R"({"ema": 0.5})");
  std::vector<std::vector<at::Tensor>> averaged(4);
  for (const bool divided : {false, true}) {
    options.set("shardOptimizer", divided);
    on_mesh({1, 2}, [&](int64_t replica, const ModuleOptions& mine) {
      const auto module = model_on(config_of(), mine);
      const auto trainer = module->open_session("trainer", options);
      run(*trainer, "step", share_of({1, 2}, replica, 0));
      run(*trainer, "exchange");
      for (const Parameter& parameter : module->parameters()) {
        averaged[2 * divided + replica].push_back(parameter.tensor.detach().clone());
      }
    });
  }
  for (size_t i = 0; i < averaged[0].size(); ++i) {
    for (size_t run = 1; run < 4; ++run) CHECK(at::equal(averaged[run][i], averaged[0][i]));
  }
}

TEST_CASE("a state that one mesh has saved is taken up by any other") {
  const Json config = config_of();
  Json options = options_of("adafactor", kEverything);
  options.set("shardOptimizer", true);
  const Outcome saved = trained(config, options, {2, 2}).front();
  const Outcome whole = trained(config, options, {}).front();
  for (const Mesh& mesh : {Mesh{1, 1}, Mesh{1, 3}, Mesh{4, 1}, Mesh{2, 2}}) {
    on_mesh(mesh, [&](int64_t replica, ModuleOptions mine) {
      mine.dtype = at::kDouble;
      const auto module = model_on(config, mine);
      const auto trainer = module->open_session("trainer", options);
      NamedTensors wrong = saved.state;
      wrong.pop_back();
      bool refused = false;
      try {
        trainer->restore(wrong);
      } catch (const Error& error) {
        refused = error.code() == ErrorCode::kBadInput;
      }
      trainer->restore(saved.state);
      const NamedTensors again = run(*trainer, "state");
      for (const auto& [name, tensor] : saved.state) {
        if (!refused || !at::equal(tensor, get(again, name))) {
          throw Error(ErrorCode::kInternal, "another state was taken up: " + name);
        }
      }
      for (const Parameter& parameter : module->parameters()) {
        for (const Parameter& full : whole.parameters) {
          if (full.name != parameter.name) continue;
          const auto& cut = parameter.cut;
          const at::Tensor part =
              cut ? full.tensor.narrow(cut->dim, cut->begin, cut->length) : full.tensor;
          const at::NoGradGuard no_grad;
          at::Tensor(parameter.tensor).copy_(part);
        }
      }
      const double loss =
          get(run(*trainer, "evaluate", share_of(mesh, replica, 3)), "loss").item<double>();
      const double expected = get(whole.told.back(), "loss").item<double>();
      if (std::abs(loss - expected) > 1e-11) throw Error(ErrorCode::kInternal, "another loss");
    });
  }
}

namespace {

// Notes what is known of a weight whenever a sum is started.
class Watched final : public Group {
 public:
  Watched(std::shared_ptr<Group> group, at::Tensor weight)
      : group_(std::move(group)), weight_(std::move(weight)) {}

  int64_t rank() const noexcept override { return group_->rank(); }
  int64_t size() const noexcept override { return group_->size(); }
  at::Tensor all_gather(const at::Tensor& local) override { return group_->all_gather(local); }
  at::Tensor all_to_all(const at::Tensor& full) override { return group_->all_to_all(full); }
  void all_reduce(at::Tensor& tensor) override { group_->all_reduce(tensor); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    early.push_back(!weight_.grad().defined());
    return group_->start_all_reduce(tensor);
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    return group_->start_ring(out, in);
  }

  std::vector<bool> early;

 private:
  std::shared_ptr<Group> group_;
  at::Tensor weight_;
};

struct Context final : JobContext {
  explicit Context(bool cancels) : cancels(cancels) {}
  bool cancels;
  bool cancelled() const noexcept override { return cancels; }
};

}  // namespace

TEST_CASE("sums start while the backward pass still runs, of the last part of a batch") {
  for (const int64_t accumulate : {1, 2}) {
    Json options = options_of("sgd");
    options.set("bucketBytes", 20'000).set("accumulate", accumulate);
    std::vector<std::vector<bool>> early(2);
    on_mesh({1, 2}, [&](int64_t replica, ModuleOptions mine) {
      auto module = model_on(config_of(), mine);
      const auto watched = std::make_shared<Watched>(mine.replicas, module->parameters()[0].tensor);
      mine.replicas = watched;
      module->set_options(mine);
      const auto trainer = module->open_session("trainer", options);
      run(*trainer, "step", share_of({1, 2}, replica, 0));
      early[replica] = watched->early;
    });
    CHECK(early[0] == early[1]);
    CHECK(early[0].size() > 4);
    // Its gradient comes last, but earlier parts have left one.
    if (accumulate == 1) CHECK(early[0].front());
    CHECK_FALSE(early[0].back());
  }
}

TEST_CASE("what one replica refuses is told by all, a cancel ends all, and the run goes on") {
  Json config = config_of();
  config.set("loss", "softmax");
  for (const Mesh& mesh : {Mesh{1, 2}, Mesh{2, 2}, Mesh{2, 1}}) {
    std::atomic<int> refused = 0, cancelled = 0, fine = 0;
    on_mesh(mesh, [&](int64_t replica, const ModuleOptions& mine) {
      const auto module = model_on(config, mine);
      const auto trainer = module->open_session("trainer", options_of("adamw"));
      const auto batch = [&](bool bad) {
        return NamedTensors{{"pixel_values", at::rand({2, 3, 12, 12})},
                            {"labels", at::ones({bad ? 1 : 2}, at::kLong)}};
      };
      const auto code = [&](bool bad, bool cancels) {
        Call call;
        call.inputs = batch(bad);
        call.options = Json::Object{};
        Context context(cancels);
        try {
          trainer->call("step", call, context);
        } catch (const Error& error) {
          return error.code();
        }
        return ErrorCode::kInternal;
      };
      const bool last = replica == mesh.replicas - 1;
      refused += code(last, false) == ErrorCode::kShape;
      const bool cancels = last && (!mine.group || mine.group->rank() == 0);
      cancelled += code(false, cancels) == ErrorCode::kCancelled;
      fine += code(false, false) == ErrorCode::kInternal;
    });
    const auto all = static_cast<int>(mesh.parts * mesh.replicas);
    CHECK(refused == all);
    CHECK(cancelled == all);
    CHECK(fine == all);
  }
}
