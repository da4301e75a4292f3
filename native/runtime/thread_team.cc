#include "runtime/thread_team.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <chrono>

namespace torchsight {
namespace {

using Clock = std::chrono::steady_clock;

// How often a waiting call looks whether it was cancelled.
constexpr std::chrono::milliseconds kPoll(5);
// How long the others have to end by themselves once one has failed.
constexpr std::chrono::milliseconds kGrace(500);

}  // namespace

// One piece of work for all, and what came of it.
struct ThreadTeam::Round {
  const Work& work;
  std::vector<std::optional<Error>> errors;
  std::optional<Clock::time_point> failure;  // the first one's
  size_t ended = 0;
  std::atomic<bool> cancelled = false;
  std::optional<Progress> progress;
  std::optional<NamedTensors> item;
};

// A member's view of the job.
class ThreadTeam::Member final : public JobContext {
 public:
  Member(ThreadTeam& team, Round& round, bool first) : team_(team), round_(round), first_(first) {}

  void checkpoint() override {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "the job was cancelled");
  }
  bool cancelled() const noexcept override { return round_.cancelled; }

  void progress(const Progress& progress) override {
    if (!first_) return;
    std::lock_guard lock(team_.mutex_);
    round_.progress = progress;
    team_.changed_.notify_all();
  }

  void emit(NamedTensors item) override {
    if (!first_) return;
    std::unique_lock lock(team_.mutex_);
    team_.changed_.wait(lock, [&] { return !round_.item || cancelled(); });
    round_.item = std::move(item);
    team_.changed_.notify_all();
  }

 private:
  ThreadTeam& team_;
  Round& round_;
  bool first_;
};

ThreadTeam::ThreadTeam(int64_t size, int intraop_threads) {
  for (int64_t member = 0; member < size; ++member) {
    threads_.emplace_back(&ThreadTeam::serve, this, member, intraop_threads);
  }
}

ThreadTeam::~ThreadTeam() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::serve(int64_t member, int intraop_threads) {
  at::set_num_threads(intraop_threads);
  uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return leaving_ || (round_ && rounds_ != seen); });
    if (leaving_) return;
    seen = rounds_;
    Round& round = *round_;
    lock.unlock();
    std::optional<Error> error;
    try {
      Member context(*this, round, member == 0);
      round.work(member, context);
    } catch (...) {
      error = current_error();
    }
    lock.lock();
    if (error && !round.failure) round.failure = Clock::now();
    round.errors[member] = std::move(error);
    ++round.ended;
    changed_.notify_all();
  }
}

std::vector<std::optional<Error>> ThreadTeam::run(const Work& work, JobContext& context,
                                                  const std::function<void()>& stalled) {
  Round round{work, std::vector<std::optional<Error>>(threads_.size())};
  bool told = false;
  std::unique_lock lock(mutex_);
  round_ = &round;
  ++rounds_;
  changed_.notify_all();
  while (round.ended < threads_.size() || round.item) {
    changed_.wait_for(lock, kPoll);
    if (auto progress = std::exchange(round.progress, std::nullopt)) {
      lock.unlock();
      context.progress(*progress);
      lock.lock();
    }
    if (auto item = std::exchange(round.item, std::nullopt)) {
      changed_.notify_all();
      lock.unlock();
      try {
        context.emit(std::move(*item));
      } catch (const Error&) {
        // The job must end: the flag below tells the members.
      }
      lock.lock();
    }
    if (!told && round.failure && Clock::now() >= *round.failure + kGrace) {
      told = true;
      stalled();
    }
    if (!round.cancelled && context.cancelled()) {
      round.cancelled = true;
      changed_.notify_all();
    }
  }
  round_ = nullptr;
  return std::move(round.errors);
}

}  // namespace torchsight
