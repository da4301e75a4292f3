#ifndef _WIN32

#include "remote/load_module.h"
#include "remote/remote_module.h"

#include <signal.h>

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "runtime/threads.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<Module> load(int64_t ranks, int64_t timeout_ms = 5000, const char* group = "gloo") {
  set_worker_paths({test::worker().string(), test::libraries().string()});
  Json config(Json::Object{{"model_type", "torchsight_diagnostics"}, {"allow_abort", true}});
  Json request(Json::Object{{"config", config}, {"seed", 1}, {"isolate", true}});
  request.set("tensorParallel", ranks).set("collectiveTimeout", timeout_ms).set("threads", 1);
  request.set("group", group);
  JobContext context;
  return load_module(LoadRequest(std::move(request)), context);
}

NamedTensors call(Module& module, const std::string& method, Json options = Json::Object{},
                  NamedTensors inputs = {}) {
  Call call{std::move(inputs), std::move(options), {}};
  JobContext context;
  return module.call(method, call, context);
}

std::vector<int64_t> pids(Module& module) {
  return dynamic_cast<RemoteModule&>(module).pids();
}

ErrorCode failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return ErrorCode::kInternal;
}

// Runs `work` and sends `signal` to a rank a little later.
ErrorCode failure_on_signal(Module& module, size_t rank, int signal) {
  const int64_t pid = pids(module)[rank];
  std::thread killer([=] {
    std::this_thread::sleep_for(200ms);
    ::kill(static_cast<pid_t>(pid), signal);
  });
  const ErrorCode code = failure([&] {
    call(module, "all_reduce", Json(Json::Object{{"n", 4096}, {"seconds", 20.0}}));
  });
  killer.join();
  return code;
}

// A job that can be cancelled, and knows whether it has given its device away.
class Watched final : public JobContext {
 public:
  std::atomic<bool> cancel = false, yielded = false, worked_yielded = false;

  void checkpoint() override {
    if (cancel) throw Error(ErrorCode::kCancelled, "the job was cancelled");
  }
  bool cancelled() const noexcept override { return cancel; }
  void progress(const Progress&) override { worked_yielded = yielded.load(); }

 private:
  void release_device() noexcept override { yielded = true; }
  void acquire_device() noexcept override { yielded = false; }
};

Call waiting(double seconds) {
  return {{}, Json(Json::Object{{"seconds", seconds}}), {}};
}

// Stops a process for as long as this lives.
class Stopped {
 public:
  explicit Stopped(int64_t pid) : pid_(static_cast<pid_t>(pid)) { ::kill(pid_, SIGSTOP); }
  ~Stopped() { ::kill(pid_, SIGCONT); }

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("an isolated module returns what it is given, in every layout of memory") {
  const auto module = load(1);
  for (const at::Tensor& x : {at::rand({3, 5}), at::rand({4, 6}).t(), at::empty({0, 2}),
                              at::ones({2}, at::kBFloat16), at::arange(7).to(at::kLong)}) {
    const NamedTensors result = call(*module, "echo", Json::Object{}, {{"x", x}});
    CHECK(result.at(0).first == "x");
    CHECK(result.at(0).second.equal(x));
  }
}

TEST_CASE("errors keep their code across the process boundary") {
  const auto module = load(1);
  const auto fails = [&](const char* kind) {
    return failure([&] { call(*module, "fail", Json(Json::Object{{"kind", kind}})); });
  };
  CHECK(fails("out_of_memory") == ErrorCode::kOutOfMemory);
  CHECK(fails("nonsense") == ErrorCode::kBadInput);
  CHECK(fails("foreign") == ErrorCode::kInternal);
}

TEST_CASE("an abort in native code ends the worker alone, and the next call starts another") {
  const auto module = load(1);
  const int64_t first = pids(*module)[0];
  CHECK(failure([&] { call(*module, "abort"); }) == ErrorCode::kWorkerFailed);
  CHECK(call(*module, "echo", Json::Object{}, {{"x", at::ones({1})}}).size() == 1);
  CHECK(pids(*module)[0] != first);
}

TEST_CASE("a session lives in its worker") {
  const auto module = load(1);
  const auto session = module->open_session("sum", Json::Object{});
  JobContext context;
  for (int i = 0; i < 3; ++i) {
    Call call{{{"x", at::scalar_tensor(2.0)}}, Json::Object{}, {}};
    const NamedTensors sum = session->call("add", call, context);
    CHECK(sum.at(0).second.item<float>() == 2.0f * static_cast<float>(i + 1));
  }
  session->restore({{"sum", at::scalar_tensor(5.0)}});
  CHECK(session->snapshot().at(0).second.item<float>() == 5.0f);
}

TEST_CASE("ranks reduce together") {
  const auto module = load(3);
  const NamedTensors result = call(*module, "all_reduce", Json(Json::Object{{"n", 5}}));
  CHECK(result.at(0).second.equal(at::full({5}, 3.0f)));
}

TEST_CASE("a killed rank is RANK_FAILED within two seconds, and the group starts anew") {
  const auto module = load(2, 30'000);
  for (size_t rank : {0, 1}) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_on_signal(*module, rank, SIGKILL) == ErrorCode::kRankFailed);
    CHECK(std::chrono::steady_clock::now() - begin < 2200ms);
    CHECK(call(*module, "all_reduce").at(0).second.item<float>() == 2.0f);
  }
}

TEST_CASE("a stopped rank is COLLECTIVE_TIMEOUT at the set time") {
  const auto module = load(2, 1000);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(failure_on_signal(*module, 1, SIGSTOP) == ErrorCode::kCollectiveTimeout);
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took > 1000ms);
  CHECK(took < 3500ms);
}

TEST_CASE("a call that waits for a sharded module is cancelled at once") {
  for (const char* group : {"gloo", "local"}) {
    CAPTURE(group);
    const auto module = load(2, 5000, group);
    std::atomic<bool> ended = false;
    std::thread long_call([&] {
      JobContext context;
      Call call = waiting(1.5);
      module->call("wait", call, context);
      ended = true;
    });
    std::this_thread::sleep_for(100ms);
    Watched context;
    std::thread canceller([&] {
      std::this_thread::sleep_for(100ms);
      context.cancel = true;
    });
    Call second = waiting(0.1);
    CHECK(failure([&] { module->call("wait", second, context); }) == ErrorCode::kCancelled);
    CHECK_FALSE(ended);
    canceller.join();
    long_call.join();
  }
}

TEST_CASE("ranks that are threads leave the device to other jobs") {
  const auto module = load(2, 5000, "local");
  Watched context;
  Call call = waiting(0.1);
  module->call("wait", call, context);
  CHECK(context.worked_yielded);
  CHECK_FALSE(context.yielded);
}

TEST_CASE("a worker that does not answer holds nobody up who opens or closes a session") {
  const auto module = load(1, 300);
  auto session = module->open_session("sum", Json::Object{});
  const Stopped stopped(pids(*module)[0]);
  auto begin = std::chrono::steady_clock::now();
  session.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 200ms);
  begin = std::chrono::steady_clock::now();
  CHECK(failure([&] { module->open_session("sum", Json::Object{}); }) == ErrorCode::kWorkerFailed);
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
}

TEST_CASE("a session that is busy says so, and its worker lives on") {
  const auto module = load(1, 200);
  const int64_t pid = pids(*module)[0];
  std::thread busy([&] {
    JobContext context;
    // No checkpoint for longer than the limit: the device is taken.
    Call call{{}, Json(Json::Object{{"seconds", 0.8}, {"step", 0.8}}), {}};
    module->call("wait", call, context);
  });
  std::this_thread::sleep_for(100ms);
  CHECK(failure([&] { module->open_session("sum", Json::Object{}); }) == ErrorCode::kDeadline);
  busy.join();
  CHECK(pids(*module)[0] == pid);
  CHECK(module->open_session("sum", Json::Object{})->snapshot().size() == 1);
}

TEST_CASE("a session over ranks of which one ended while nobody called is RANK_FAILED") {
  const auto module = load(2);
  const auto session = module->open_session("sum", Json::Object{});
  JobContext context;
  Call add{{{"x", at::scalar_tensor(2.0)}}, Json::Object{}, {}};
  CHECK(session->call("add", add, context).at(0).second.item<float>() == 2.0f);
  const auto pid = static_cast<pid_t>(pids(*module)[1]);
  ::kill(pid, SIGKILL);
  while (::kill(pid, 0) == 0) std::this_thread::sleep_for(1ms);
  CHECK(failure([&] { session->call("add", add, context); }) == ErrorCode::kRankFailed);
  CHECK(call(*module, "all_reduce").at(0).second.item<float>() == 2.0f);
}

TEST_CASE("ranks share the processor, all replicas together") {
  set_intraop_threads(12);
  const auto threads = [](int64_t ranks, int64_t replicas) {
    return threads_of_rank(
        Json(Json::Object{{"tensorParallel", ranks}, {"dataParallel", replicas}}));
  };
  CHECK(threads(1, 1) == 12);
  CHECK(threads(2, 2) == 3);
  CHECK(threads(5, 1) == 2);
  CHECK(threads(8, 8) == 1);
  CHECK(threads_of_rank(Json(Json::Object{{"tensorParallel", 2}, {"threads", 7}})) == 7);
  set_intraop_threads(0);
}

#endif
