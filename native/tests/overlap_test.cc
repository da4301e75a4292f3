// What computation hides of messages, and that hiding changes no number. Products are pauses here
// and the network is slow by a set time, so that neither depends on how busy the machine is.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "distributed/gloo_group.h"
#include "distributed/ring.h"
#include "nn/linear_kernel.h"
#include "runtime/steady.h"
#include "runtime/votes.h"
#include "tests/model_support.h"
#include "tests/temporary.h"

using namespace torchsight;
using namespace torchsight::test;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Work = std::function<void(Group&, const RingOptions&)>;

constexpr auto kProduct = 20ms;
constexpr auto kMessage = 30ms;
constexpr int kTries = 5;

double time_of(const Work& work, Overlap overlap, std::chrono::microseconds delay) {
  const auto begin = Clock::now();
  on_ranks(2, [&](const std::shared_ptr<Group>& group) {
    const auto slow = delay.count() > 0 ? make_delayed_group(group, delay) : group;
    work(*slow, {.overlap = overlap, .pieces = 2});
  });
  return Seconds(Clock::now() - begin).count();
}

// The part of the time of messages that goes by during products. Of several tries the shortest
// counts, since all that disturbs them only adds.
double hidden_part(const Work& work) {
  double base = 1e9, plain = 1e9, hidden = 1e9;
  for (int i = 0; i < kTries; ++i) {
    base = std::min(base, time_of(work, Overlap::kNone, 0us));
    plain = std::min(plain, time_of(work, Overlap::kNone, kMessage));
    hidden = std::min(hidden, time_of(work, Overlap::kRing, kMessage));
  }
  CHECK(plain > base);
  return (plain - hidden) / (plain - base);
}

// Ranks that note what they send, in order: "vote", "counted", "message".
class Noting final : public Group {
 public:
  explicit Noting(std::shared_ptr<Group> group) : group_(std::move(group)) {}

  std::vector<std::string> notes;

  int64_t rank() const noexcept override { return group_->rank(); }
  int64_t size() const noexcept override { return group_->size(); }
  at::Tensor all_gather(const at::Tensor& local) override {
    notes.emplace_back("message");
    return group_->all_gather(local);
  }
  at::Tensor all_to_all(const at::Tensor& full) override { return group_->all_to_all(full); }
  void all_reduce(at::Tensor& tensor) override { group_->all_reduce(tensor); }
  std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) override {
    struct Vote final : Transfer {
      std::unique_ptr<Transfer> inner;
      std::vector<std::string>& notes;
      Vote(std::unique_ptr<Transfer> inner, std::vector<std::string>& notes)
          : inner(std::move(inner)), notes(notes) {}
      void wait() override {
        inner->wait();
        notes.emplace_back("counted");
      }
    };
    notes.emplace_back("vote");
    return std::make_unique<Vote>(group_->start_all_reduce(tensor), notes);
  }
  std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) override {
    return group_->start_ring(out, in);
  }
  void abort() noexcept override { group_->abort(); }

 private:
  std::shared_ptr<Group> group_;
};

// A layer of a quarter of a million weights and more on each of two ranks, the size from which
// kernels are raced where nothing forbids it.
const Json kLarge =
    Json::Object{{"hidden_size", 512},        {"num_attention_heads", 8}, {"num_hidden_layers", 1},
                 {"intermediate_size", 2048}, {"image_size", 48},         {"patch_size", 4},
                 {"model_type", "vit22b"}};

// Tells whether a race of kernels would be allowed where it is called.
class Asking final : public Module {
 public:
  Asking() {
    add_method({.name = "ask"}, [](Call&, JobContext&) {
      const bool races = worth_choosing(1024, int64_t{1} << 20, at::TensorOptions(at::kFloat));
      return NamedTensors{{"races", at::full({1}, races, at::kBool)}};
    });
  }
};

}  // namespace

TEST_CASE("products hide at least half of the time of messages") {
  const at::Tensor rows = at::ones({4, 3});
  CHECK(hidden_part([&](Group& group, const RingOptions& options) {
          gather_each(group, options, rows, [](int64_t, int64_t, const at::Tensor&) {
            std::this_thread::sleep_for(kProduct);
          });
        }) >= 0.5);
  CHECK(hidden_part([&](Group& group, const RingOptions& options) {
          reduce_each(group, options, 4, [](int64_t, int64_t, int64_t count) {
            std::this_thread::sleep_for(kProduct);
            return at::ones({count, 3});
          });
        }) >= 0.5);
}

TEST_CASE("a vote travels during the layer behind it") {
  std::vector<std::vector<std::string>> notes(2);
  on_ranks(2, [&](const std::shared_ptr<Group>& group) {
    Noting noting(group);
    JobContext context;
    Votes votes(&noting, context);
    for (int layer = 0; layer < 2; ++layer) {
      votes.cast();
      noting.all_gather(at::ones({1}));
    }
    votes.count();
    votes.count();
    notes[group->rank()] = noting.notes;
  });
  for (const auto& mine : notes) {
    CHECK(mine ==
          std::vector<std::string>{"vote", "message", "counted", "vote", "message", "counted"});
  }
}

TEST_CASE("with a group no kernel is chosen by a clock") {
  for (const bool sharded : {false, true}) {
    Asking module;
    ModuleOptions options;
    if (sharded) options.group = make_local_groups(2).front();
    module.set_options(options);
    Call call{{}, Json::Object{}, Taps()};
    JobContext context;
    CHECK(get(module.call("ask", call, context), "races").item<bool>() == !sharded);
    CHECK_FALSE(Steady::on());
  }
}

TEST_CASE("a timeline has every message of a call, under the rank of its process") {
  struct Case {
    const char* layout;
    Json config;
    std::string method;
    NamedTensors inputs;
    std::vector<std::string> names;
  };
  const NamedTensors pixels{{"pixel_values", at::rand({1, 3, 12, 12})}};
  const NamedTensors ids{{"input_ids", at::ones({1, 3}, at::kLong)},
                         {"attention_mask", at::ones({1, 3}, at::kLong)}};
  const Json gemma = Json::parse(
      R"({"model_type": "gemma", "hidden_size": 8, "num_hidden_layers": 2, "head_dim": 4,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 8,
          "vocab_size": 8, "max_position_embeddings": 8})");
  for (const Case& one : {Case{"tokens",
                               small_config(),
                               "encode",
                               pixels,
                               {"block", "product", "send and receive", "gather", "sum 4 bytes"}},
                          Case{"features",
                               small_config(),
                               "encode",
                               pixels,
                               {"block", "product", "send and receive", "gather", "sum"}},
                          Case{"replicated", small_config(), "encode", pixels, {"block", "sum"}},
                          Case{"replicated", gemma, "forward", ids, {"layer", "sum"}}}) {
    CAPTURE(one.layout);
    on_ranks(2, [&](const std::shared_ptr<Group>& group) {
      ModuleOptions options;
      options.group = group;
      options.extra = Json::Object{{"layout", one.layout}, {"overlap", "ring"}};
      const auto module = random_model(one.config, options);
      Call call{one.inputs, Json::Object{}, Taps(), std::make_shared<Timeline>()};
      call.timeline->set_rank(5 + group->rank());
      JobContext context;
      module->call(one.method, call, context);
      const Json events = call.timeline->events();
      for (const std::string& name : one.names) {
        CAPTURE(name);
        const auto named = [&](const Json& event) {
          return event.at("name").as_string().starts_with(name);
        };
        const Json::Array& all = events.as_array();
        CHECK(std::any_of(all.begin(), all.end(), named));
      }
      for (const Json& event : events.as_array()) {
        CHECK(event.at("pid").as_int() == 5 + group->rank());
      }
    });
  }
}

#ifdef __linux__
TEST_CASE("ring and plain path give the same bits over Gloo, at sizes where kernels differ") {
  const at::Tensor pixels = at::rand({2, 3, 48, 48}) * 2 - 1;
  std::vector<at::Tensor> results;
  for (const char* overlap : {"ring", "none", "ring"}) {
    const TemporaryPath store;
    std::vector<at::Tensor> mine(2);
    std::vector<std::thread> ranks;
    for (int64_t rank = 0; rank < 2; ++rank) {
      ranks.emplace_back([&, rank] {
        const GlooOptions gloo{.rank = rank, .size = 2};
        ModuleOptions options;
        options.group = make_gloo_group(make_file_store(store.string(), 2, gloo.timeout), gloo);
        options.extra = Json::Object{{"overlap", overlap}};
        mine[rank] =
            get(call(*random_model(kLarge, options), "encode", pixels), "last_hidden_state");
      });
    }
    for (auto& rank : ranks) rank.join();
    results.insert(results.end(), mine.begin(), mine.end());
  }
  for (const at::Tensor& result : results) CHECK(result.equal(results.front()));
}
#endif
