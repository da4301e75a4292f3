#include "runtime/lane.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace torchsight {
namespace {

constexpr auto kIdleBeforeTrim = std::chrono::seconds(3);

std::atomic<int> wanted_threads{0};

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// `at::set_num_threads` acts on the calling thread only, so each thread of a lane sets its own.
void apply_threads() {
  thread_local int applied = 0;
  const int wanted = intraop_threads();
  if (applied == wanted) return;
  at::set_num_threads(wanted);
  applied = wanted;
}

}  // namespace

void set_intraop_threads(int threads) {
  wanted_threads = threads;
  apply_threads();
}

int intraop_threads() {
  const int wanted = wanted_threads;
  return wanted > 0 ? wanted : at::intraop_default_num_threads();
}

struct Lanes {
  std::mutex mutex;
  std::map<std::pair<c10::DeviceType, int>, Lane*> by_device;
};

// Never destroyed: threads of a lane may outlive static destruction.
static Lanes& all_lanes() {
  static auto* lanes = new Lanes;
  return *lanes;
}

Lane& Lane::of(c10::Device device) {
  Lanes& lanes = all_lanes();
  std::lock_guard lock(lanes.mutex);
  const int index = device.is_cpu() || !device.has_index() ? 0 : device.index();
  Lane*& lane = lanes.by_device[{device.type(), index}];
  if (!lane) lane = new Lane;
  return *lane;
}

void Lane::drain_at_exit() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::atexit([] {
      for (const auto& [device, lane] : all_lanes().by_device) lane->drain(nullptr);
    });
  });
}

Lane::Lane() {
  std::thread(&Lane::watch, this).detach();
}

template <typename List, typename Eligible>
typename List::iterator Lane::choose(List& jobs, Eligible eligible) {
  auto best = jobs.end();
  for (auto it = jobs.begin(); it != jobs.end(); ++it) {
    if (!eligible(**it)) continue;
    if ((*it)->passed_over_ >= kStarvationBound) return it;
    if (best == jobs.end() || (*it)->spec_.priority < (*best)->spec_.priority) best = it;
  }
  return best;
}

template <typename List>
typename List::value_type Lane::take(List& jobs, typename List::iterator chosen) {
  auto job = std::move(*chosen);
  jobs.erase(chosen);
  job->passed_over_ = 0;
  for (auto& other : jobs) {
    if (other->spec_.priority > job->spec_.priority) ++other->passed_over_;
  }
  return job;
}

std::shared_ptr<Job> Lane::submit(JobSpec spec) {
  auto job = std::make_shared<Job>(*this, std::move(spec));
  job->submitted_ = Clock::now();
  const int64_t bytes = job->spec_.input_bytes;
  Lock lock(mutex_);
  const bool too_many = queue_.size() >= limits_.jobs;
  // One job alone may be larger than the bound, or it could never run.
  const bool too_large = !queue_.empty() && counters_.queued_bytes + bytes > limits_.bytes;
  if (too_many || too_large) {
    ++counters_.refused;
    const double wait = 1e3 * mean_seconds_ * static_cast<double>(queue_.size() + 1);
    throw QueueFull("the queue is full: " + std::to_string(queue_.size()) + " jobs with " +
                        std::to_string(counters_.queued_bytes) + " bytes wait",
                    wait);
  }
  ++counters_.submitted;
  counters_.queued_bytes += bytes;
  queue_.push_back(job);
  if (idle_ > 0) {
    work_.notify_one();
  } else if (can_start(*job)) {
    std::thread(&Lane::run_thread, this).detach();
  }
  if (job->spec_.deadline) watch_.notify_one();
  return job;
}

bool Lane::can_start(const Job& job) const {
  const size_t reserve = job.spec_.priority == Priority::kHigh ? kReservedForHigh : 0;
  return running_.size() < limits_.threads + reserve;
}

void Lane::run_thread() {
  Lock lock(mutex_);
  while (true) {
    ++idle_;
    auto next = queue_.end();
    work_.wait(lock, [&] {
      next = choose(queue_, [&](const Job& job) { return can_start(job); });
      return next != queue_.end();
    });
    --idle_;
    std::shared_ptr<Job> job = take(queue_, next);
    counters_.queued_bytes -= job->spec_.input_bytes;
    running_.push_back(job);
    lock.unlock();
    run(job);
    job.reset();
    lock.lock();
    if (!queue_.empty()) work_.notify_one();
  }
}

void Lane::run(const std::shared_ptr<Job>& job) {
  std::optional<Error> error;
  job->began_ = Clock::now();
  try {
    apply_threads();
    {
      Lock lock(mutex_);
      wait_for_turn(*job, lock);
    }
    job->spec_.observer->started();
    {
      MeterScope meter(job->meter_);
      c10::AutoGradMode grad(job->spec_.grad);
      job->spec_.work(*job);
    }
    error = job->verdict();
  } catch (...) {
    error = job->verdict();
    if (!error) error = current_error();
  }
  job->spec_.work = nullptr;  // what the work holds goes before anyone hears of its end
  const auto ended = Clock::now();
  const JobStats stats{seconds(job->began_ - job->submitted_), seconds(ended - job->began_),
                       job->meter_->peak()};
  {
    Lock lock(mutex_);
    if (job->has_device_) pass_turn();
    job->has_device_ = false;
    count(error);
    mean_seconds_ = 0.9 * mean_seconds_ + 0.1 * stats.ran;
  }
  job->spec_.observer->finished(std::move(error), stats);
  Lock lock(mutex_);
  running_.remove(job);
  settled_.notify_all();
  watch_.notify_one();
}

void Lane::count(const std::optional<Error>& error) {
  if (!error) {
    ++counters_.completed;
  } else if (error->code() == ErrorCode::kCancelled) {
    ++counters_.cancelled;
  } else if (error->code() == ErrorCode::kDeadline) {
    ++counters_.expired;
  } else {
    ++counters_.failed;
  }
}

void Lane::wait_for_turn(Job& job, Lock& lock) {
  if (holder_ || !waiting_.empty()) {
    waiting_.push_back(&job);
    ++waiting_count_;
    if (!holder_) pass_turn();
    const auto ready = [&] { return job.has_device_ || job.verdict(); };
    if (job.spec_.deadline) {
      job.turn_.wait_until(lock, *job.spec_.deadline, ready);
    } else {
      job.turn_.wait(lock, ready);
    }
    if (!job.has_device_) {
      waiting_.remove(&job);
      --waiting_count_;
      throw *job.verdict();
    }
    return;
  }
  holder_ = &job;
  job.has_device_ = true;
}

// Gives the device to the next that waits for it. The lane's mutex is held.
void Lane::pass_turn() {
  holder_ = nullptr;
  if (waiting_.empty()) return;
  holder_ = take(waiting_, choose(waiting_, [](const Job&) { return true; }));
  --waiting_count_;
  holder_->has_device_ = true;
  holder_->turn_.notify_one();
}

void Lane::cancel(const std::shared_ptr<Job>& job) {
  Lock lock(mutex_);
  job->cancel_ = true;
  auto queued = std::find(queue_.begin(), queue_.end(), job);
  if (queued == queue_.end()) {
    job->turn_.notify_one();
    return;
  }
  queue_.erase(queued);
  counters_.queued_bytes -= job->spec_.input_bytes;
  ++counters_.cancelled;
  lock.unlock();
  job->spec_.work = nullptr;
  job->spec_.observer->finished(job->verdict(), {seconds(Clock::now() - job->submitted_), 0, 0});
}

void Lane::drain(const void* owner) {
  Jobs mine;
  {
    Lock lock(mutex_);
    for (const Jobs* jobs : {&queue_, &running_}) {
      for (const auto& job : *jobs) {
        if (!owner || job->spec_.owner == owner) mine.push_back(job);
      }
    }
  }
  for (const auto& job : mine) cancel(job);
  Lock lock(mutex_);
  settled_.wait(lock, [&] {
    return std::none_of(running_.begin(), running_.end(),
                        [&](const auto& job) { return !owner || job->spec_.owner == owner; });
  });
}

std::optional<Clock::time_point> Lane::next_deadline() const {
  std::optional<Clock::time_point> next;
  for (const auto& job : queue_) {
    const auto deadline = job->spec_.deadline;
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

Lane::Jobs Lane::take_expired() {
  Jobs expired;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const auto job = it++;
    if (!(*job)->verdict()) continue;
    counters_.queued_bytes -= (*job)->spec_.input_bytes;
    ++counters_.expired;
    expired.splice(expired.end(), queue_, job);
  }
  return expired;
}

// Ends queued jobs at their deadline, and gives memory back once nothing has run for a while.
void Lane::watch() {
  Lock lock(mutex_);
  bool trimmed = true;
  while (true) {
    const bool idle = queue_.empty() && running_.empty();
    if (!idle) trimmed = false;
    if (const auto deadline = next_deadline()) {
      watch_.wait_until(lock, *deadline);
    } else if (idle && !trimmed) {
      if (watch_.wait_for(lock, kIdleBeforeTrim) == std::cv_status::timeout) {
        empty_cache();
        trimmed = true;
      }
    } else {
      watch_.wait(lock);
    }
    const Jobs expired = take_expired();
    lock.unlock();
    for (const auto& job : expired) {
      job->spec_.work = nullptr;
      job->spec_.observer->finished(job->verdict(),
                                    {seconds(Clock::now() - job->submitted_), 0, 0});
    }
    lock.lock();
  }
}

LaneCounters Lane::counters() {
  Lock lock(mutex_);
  LaneCounters now = counters_;
  now.queued = static_cast<int64_t>(queue_.size());
  now.running = static_cast<int64_t>(running_.size());
  return now;
}

void Lane::set_limits(const LaneLimits& limits) {
  Lock lock(mutex_);
  limits_ = limits;
  work_.notify_all();
}

LaneLimits Lane::limits() {
  Lock lock(mutex_);
  return limits_;
}

}  // namespace torchsight
