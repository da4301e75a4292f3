#include "runtime/lane.h"

#include <atomic>
#include <future>

#include <doctest/doctest.h>

using namespace torchsight;
using namespace std::chrono_literals;

namespace {

struct Watcher final : JobObserver {
  std::promise<std::optional<Error>> end;
  std::atomic<int> ends{0};
  std::atomic<int> items{0};
  JobStats stats;
  void item(NamedTensors) override { ++items; }
  void finished(std::optional<Error> error, const JobStats& result) override {
    stats = result;
    if (++ends == 1) end.set_value(std::move(error));
  }
};

struct Handle {
  std::shared_ptr<Watcher> watcher = std::make_shared<Watcher>();
  std::shared_ptr<Job> job;
  std::optional<Error> wait() { return watcher->end.get_future().get(); }
};

Lane& lane() {
  return Lane::of(c10::Device(c10::kCPU));
}

Handle submit(std::function<void(JobContext&)> work, JobSpec spec = {}) {
  Handle handle;
  spec.work = std::move(work);
  spec.observer = handle.watcher;
  handle.job = lane().submit(std::move(spec));
  return handle;
}

void spin(JobContext& context, std::chrono::milliseconds time, std::chrono::milliseconds slice) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
    const auto pause = Clock::now() + slice;
    while (Clock::now() < pause) {
    }
    context.checkpoint();
  }
}

}  // namespace

TEST_CASE("a job settles once, with its peak of memory") {
  install_allocator();
  auto handle = submit([](JobContext&) { at::Tensor t = at::empty({1 << 20}, at::kFloat); });
  CHECK_FALSE(handle.wait().has_value());
  CHECK(handle.watcher->stats.peak_bytes == 4 << 20);
}

TEST_CASE("an exception becomes the job's error") {
  auto handle = submit([](JobContext&) { throw Error(ErrorCode::kBadInput, "no"); });
  CHECK(handle.wait()->code() == ErrorCode::kBadInput);
}

TEST_CASE("a running job is cancelled at its next checkpoint") {
  std::atomic<bool> started{false};
  auto handle = submit([&](JobContext& context) {
    started = true;
    spin(context, 10s, 1ms);
  });
  while (!started) std::this_thread::sleep_for(1ms);
  lane().cancel(handle.job);
  CHECK(handle.wait()->code() == ErrorCode::kCancelled);
}

TEST_CASE("a queued job is cancelled at once and never starts") {
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  std::vector<Handle> busy;
  for (size_t i = 0; i < lane().limits().threads; ++i) {
    busy.push_back(submit([opened](JobContext& context) {
      JobContext::Yielded yielded(context);
      opened.wait();
    }));
  }
  std::atomic<bool> ran{false};
  auto queued = submit([&](JobContext&) { ran = true; });
  lane().cancel(queued.job);
  CHECK(queued.wait()->code() == ErrorCode::kCancelled);

  JobSpec late;
  late.deadline = Clock::now() + 20ms;
  auto expired = submit([&](JobContext&) { ran = true; }, std::move(late));
  CHECK(expired.wait()->code() == ErrorCode::kDeadline);

  JobSpec urgent;
  urgent.priority = Priority::kHigh;
  auto reserved = submit([](JobContext&) {}, std::move(urgent));
  CHECK_FALSE(reserved.wait().has_value());

  gate.set_value();
  for (auto& handle : busy) CHECK_FALSE(handle.wait().has_value());
  CHECK_FALSE(ran);
}

TEST_CASE("jobs in turn run one by one as they were submitted, cancelled or late ones as well") {
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  std::vector<Handle> jobs;
  std::vector<int> ran;
  const auto in_turn = [&](int number, Priority priority, std::optional<Clock::time_point> end) {
    JobSpec spec;
    spec.in_turn = true;
    spec.priority = priority;
    spec.deadline = end;
    jobs.push_back(submit(
        [&, number](JobContext& context) {
          {
            JobContext::Yielded yielded(context);
            opened.wait();
          }
          ran.push_back(number);
        },
        std::move(spec)));
  };
  // More than can be in progress, those that would go first last.
  const int count = static_cast<int>(lane().limits().threads) + 8;
  for (int i = 0; i < count; ++i) {
    in_turn(i, i < count / 2 ? Priority::kLow : Priority::kHigh, std::nullopt);
  }
  in_turn(count, Priority::kHigh, Clock::now() + 10ms);
  lane().cancel(jobs[1].job);
  lane().cancel(jobs[count - 1].job);
  std::this_thread::sleep_for(30ms);
  CHECK(jobs[1].watcher->ends == 0);
  gate.set_value();
  for (int i = 0; i <= count; ++i) {
    const auto error = jobs[i].wait();
    CHECK(error.has_value() == (i == 1 || i >= count - 1));
    if (error) CHECK(error->code() == (i == count ? ErrorCode::kDeadline : ErrorCode::kCancelled));
  }
  for (int i = 0; i <= count; ++i) CHECK(ran.at(i) == i);
}

TEST_CASE("drain ends queued jobs in turn without running them") {
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  int mine = 0;
  std::atomic<int> ran{0};
  std::vector<Handle> jobs;
  for (size_t i = 0; i < lane().limits().threads + 3; ++i) {
    JobSpec spec;
    spec.in_turn = true;
    spec.owner = &mine;
    jobs.push_back(submit(
        [&, opened](JobContext& context) {
          JobContext::Yielded yielded(context);
          opened.wait();
          ++ran;
        },
        std::move(spec)));
  }
  std::thread opener([&] {
    std::this_thread::sleep_for(50ms);
    gate.set_value();
  });
  lane().drain(&mine);
  opener.join();
  for (auto& job : jobs) CHECK(job.wait()->code() == ErrorCode::kCancelled);
  CHECK(ran <= static_cast<int>(lane().limits().threads));
}

TEST_CASE("a short job gets its turn while a long one runs") {
  auto lengthy = submit([](JobContext& context) { spin(context, 300ms, 5ms); });
  std::this_thread::sleep_for(20ms);
  const auto begin = Clock::now();
  auto brief = submit([](JobContext&) {});
  CHECK_FALSE(brief.wait().has_value());
  CHECK(Clock::now() - begin < 200ms);
  CHECK_FALSE(lengthy.wait().has_value());
}

TEST_CASE("high priority keeps the device, but low priority is not starved") {
  std::atomic<int> turns{0};
  std::atomic<bool> low_ran{false};
  int turns_before_low = 0;
  auto high = [&] {
    JobSpec spec;
    spec.priority = Priority::kHigh;
    return submit(
        [&](JobContext& context) {
          for (int i = 0; i < 50; ++i) {
            ++turns;
            std::this_thread::sleep_for(1ms);
            context.checkpoint();
          }
        },
        std::move(spec));
  };
  auto first = high();
  JobSpec spec;
  spec.priority = Priority::kLow;
  auto low = submit([&](JobContext&) { turns_before_low = turns; }, std::move(spec));
  CHECK_FALSE(low.wait().has_value());
  CHECK_FALSE(first.wait().has_value());
  CHECK(turns_before_low < 50);
}

TEST_CASE("a stream holds the job while the reader is behind") {
  JobSpec spec;
  spec.stream_capacity = 2;
  auto handle = submit(
      [](JobContext& context) {
        for (int i = 0; i < 5; ++i) context.emit({{"i", at::scalar_tensor(i)}});
      },
      std::move(spec));
  for (int taken = 0; taken < 5; ++taken) {
    while (handle.watcher->items <= taken) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(5ms);
    CHECK(handle.watcher->items <= taken + 2);
    handle.job->item_taken();
  }
  CHECK_FALSE(handle.wait().has_value());
}

TEST_CASE("the queue is bounded by count and by bytes") {
  const LaneLimits before = lane().limits();
  lane().set_limits({.jobs = 1, .bytes = before.bytes, .threads = 1});
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  std::atomic<bool> started{false};
  auto running = submit([&started, opened](JobContext&) {
    started = true;
    opened.wait();
  });
  while (!started) std::this_thread::sleep_for(1ms);
  auto queued = submit([](JobContext&) {});
  try {
    submit([](JobContext&) {});
    FAIL("the queue took a job beyond its bound");
  } catch (const QueueFull& error) {
    CHECK(error.code() == ErrorCode::kQueueFull);
    CHECK(error.retry_after() > 0);
  }
  gate.set_value();
  CHECK_FALSE(running.wait().has_value());
  CHECK_FALSE(queued.wait().has_value());
  lane().set_limits(before);
}

TEST_CASE("drain ends all jobs of an owner and no others") {
  int mine = 0;
  JobSpec spec;
  spec.owner = &mine;
  auto owned = submit([](JobContext& context) { spin(context, 10s, 1ms); }, std::move(spec));
  auto other = submit([](JobContext& context) { spin(context, 50ms, 1ms); });
  lane().drain(&mine);
  CHECK(owned.watcher->ends == 1);
  CHECK_FALSE(other.wait().has_value());
}
