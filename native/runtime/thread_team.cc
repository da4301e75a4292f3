#include "runtime/thread_team.h"

#include <ATen/Parallel.h>

#include <atomic>

#include "runtime/relay.h"

namespace torchsight {

// One piece of work for all, and what came of it.
struct ThreadTeam::Round {
  const Work& work;
  std::vector<std::optional<Error>> errors;
  size_t ended = 0;
  std::atomic<bool> cancelled = false;
  Told told;
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
    round_.told.progress = progress;
    team_.changed_.notify_all();
  }

  void emit(NamedTensors item) override {
    if (!first_) return;
    std::unique_lock lock(team_.mutex_);
    team_.changed_.wait(lock, [&] { return round_.told.items.empty() || cancelled(); });
    round_.told.items.push_back(std::move(item));
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
    round.told.failed |= error.has_value();
    round.errors[member] = std::move(error);
    ++round.ended;
    changed_.notify_all();
  }
}

std::vector<std::optional<Error>> ThreadTeam::run(const Work& work, JobContext& context,
                                                  const std::function<void()>& stalled) {
  Round round{work, std::vector<std::optional<Error>>(threads_.size())};
  const Workers members{.ended = [&] { return round.ended == threads_.size(); },
                        .cancel = [&] { round.cancelled = true; },
                        .give_up = stalled};
  std::unique_lock lock(mutex_);
  round_ = &round;
  ++rounds_;
  changed_.notify_all();
  relay(lock, changed_, round.told, members, context);
  round_ = nullptr;
  return std::move(round.errors);
}

}  // namespace torchsight
