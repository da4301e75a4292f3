#include "diagnostics/diagnostics.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "diagnostics/fitting.h"
#include "distributed/group.h"
#include "runtime/error.h"
#include "training/trainer.h"

namespace torchsight {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::duration<double> seconds(const Json& options, const char* name) {
  return std::chrono::duration<double>(options.get(name, 0.0));
}

// Adds up what it is given.
class Sum final : public Session {
 public:
  std::vector<MethodSchema> schemas() const override {
    return {{.name = "add",
             .doc = "Adds `x` to the sum and returns the sum.",
             .inputs = {{.name = "x", .dtypes = {at::kFloat}, .shape = {}}},
             .outputs = {{.name = "sum", .dtypes = {at::kFloat}, .shape = {}}}}};
  }
  NamedTensors call(const std::string&, Call& call, JobContext&) override {
    sum_ = sum_ + call.input("x");
    return {{"sum", sum_}};
  }
  NamedTensors snapshot() const override { return {{"sum", sum_.clone()}}; }
  void restore(const NamedTensors& state) override {
    const at::Tensor* sum = find_tensor(state, "sum");
    if (!sum) throw Error(ErrorCode::kBadInput, "expected a tensor for sum but received nothing");
    sum_ = sum->clone();
  }

 private:
  at::Tensor sum_ = at::zeros({}, at::kFloat);
};

class Diagnostics final : public Module {
 public:
  Diagnostics(const Json& config, const ModuleOptions& options)
      : group_(options.group), allow_abort_(config.get("allow_abort", false)) {
    const int64_t size = config.get("size", 16);
    if (size < 0) throw Error(ErrorCode::kBadConfig, "expected a size of 0 or more");
    weight_ = at::empty({size}, at::TensorOptions(options.dtype).device(options.device));
    add_echo();
    add_scale();
    add_wait();
    add_count();
    add_reduce();
    add_failures();
  }

  std::vector<Parameter> parameters() override {
    return {{.name = "weight",
             .tensor = weight_,
             .full_shape = weight_.sizes().vec(),
             .init = {.kind = Init::Kind::kNormal, .value = 1}}};
  }

  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override {
    if (kind == "sum") return std::make_unique<Sum>();
    if (kind == "trainer") return open_trainer(*this, fitting(*this), options);
    return Module::open_session(kind, options);
  }

 private:
  void add_echo() {
    const TensorSpec any{.name = "x", .dtypes = {}, .shape = {"..."}};
    add_method({.name = "echo", .doc = "Returns its input.", .inputs = {any}, .outputs = {any}},
               [](Call& call, JobContext&) {
                 return NamedTensors{{"x", call.input("x")}};
               });
  }

  void add_scale() {
    const std::vector<at::ScalarType> dtypes{at::kFloat};
    add_method({.name = "scale",
                .doc = "Multiplies `x` by the weight; a trainer fits the weight to `target`.",
                .inputs = {{.name = "x", .dtypes = dtypes, .shape = {"N"}}},
                .outputs = {{.name = "y", .dtypes = dtypes, .shape = {"N"}}}},
               [this](Call& call, JobContext&) {
                 return NamedTensors{{"y", call.input("x") * weight_}};
               });
  }

  void add_wait() {
    add_method(
        {.name = "wait",
         .doc =
             "Keeps the device busy for `seconds`, with a checkpoint after every `step` seconds.",
         .options = {{.name = "seconds", .type = "float", .doc = "how long", .optional = false},
                     {.name = "step", .type = "float", .fallback = 0.01, .doc = "as a layer"}}},
        [this](Call& call, JobContext& context) {
          const auto begin = Clock::now();
          const auto total = seconds(call.options, "seconds");
          const auto step = std::chrono::duration<double>(call.options.get("step", 0.01));
          while (Clock::now() - begin < total) {
            std::this_thread::sleep_for(step);
            const std::chrono::duration<double> done = Clock::now() - begin;
            context.progress({done.count(), total.count(), "wait"});
            if (!group_) context.checkpoint();
            if (group_ && group_->agree(context.cancelled())) {
              throw Error(ErrorCode::kCancelled, "the job was cancelled");
            }
          }
          return NamedTensors{};
        });
  }

  void add_count() {
    const TensorSpec number{.name = "i", .dtypes = {at::kLong}, .shape = {}};
    add_method({.name = "count",
                .doc = "Streams the numbers below `n`.",
                .options = {{.name = "n", .type = "int", .doc = "how many", .optional = false}},
                .stream = {number}},
               [](Call& call, JobContext& context) {
                 const int64_t n = call.options.get("n", 0);
                 for (int64_t i = 0; i < n; ++i) {
                   context.checkpoint();
                   context.emit({{"i", at::scalar_tensor(i, at::kLong)}});
                 }
                 return NamedTensors{};
               });
  }

  void add_reduce() {
    const TensorSpec sum{.name = "sum", .dtypes = {at::kFloat}, .shape = {"N"}};
    add_method(
        {.name = "all_reduce",
         .doc = "Adds `n` ones over the ranks, again and again for `seconds`.",
         .outputs = {sum},
         .options = {{.name = "n", .type = "int", .fallback = 1, .doc = "length of the tensor"},
                     {.name = "seconds", .type = "float", .fallback = 0.0, .doc = "how long"}}},
        [this](Call& call, JobContext& context) {
          const auto end = Clock::now() + seconds(call.options, "seconds");
          at::Tensor sum_N;
          bool more = true;
          while (more) {
            sum_N = at::ones({call.options.get("n", 1)}, at::kFloat);
            if (!group_) break;
            group_->all_reduce(sum_N);
            if (group_->agree(context.cancelled())) {
              throw Error(ErrorCode::kCancelled, "the job was cancelled");
            }
            more = !group_->agree(Clock::now() >= end);
          }
          return NamedTensors{{"sum", sum_N}};
        });
  }

  void add_failures() {
    add_method({.name = "fail",
                .doc = "Throws what C++ code can throw.",
                .options = {{.name = "kind", .type = "string", .doc = "which", .optional = false}}},
               [device = weight_.device()](Call& call, JobContext&) -> NamedTensors {
                 fail(call.options.get("kind", ""), device);
               });
    add_method({.name = "abort", .doc = "Ends the process, where the config allows it."},
               [this](Call&, JobContext&) -> NamedTensors {
                 if (allow_abort_) std::abort();
                 throw Error(ErrorCode::kUnsupported, "the config does not set allow_abort");
               });
  }

  [[noreturn]] static void fail(const std::string& kind, at::Device device) {
    if (kind == "libtorch") at::ones({2, 3}).matmul(at::ones({2, 3}));
    if (kind == "out_of_memory") at::empty({int64_t{1} << 46}, device);
    if (kind == "device") {  // a kernel that reads beyond its tensor ends the use of a card
      at::ones({2}, device).index_select(0, at::full({1}, 7, at::kLong).to(device)).cpu();
    }
    if (kind == "bad_alloc") throw std::bad_alloc();
    if (kind == "index") at::ones({2}).select(0, 5);
    if (kind == "not_implemented") at::ones({2}, at::kComplexFloat).ceil();
    if (kind == "linear_algebra") at::linalg_cholesky(-at::eye(2));
    if (kind == "standard") throw std::runtime_error("a standard exception");
    if (kind == "foreign") throw 42;
    throw Error(ErrorCode::kBadInput, "expected a known kind but received " + kind);
  }

  std::shared_ptr<Group> group_;
  bool allow_abort_;
  at::Tensor weight_;
};

}  // namespace

std::unique_ptr<Module> make_diagnostics(const Json& config, const ModuleOptions& options) {
  return std::make_unique<Diagnostics>(config, options);
}

}  // namespace torchsight
