// How a lane's threads take jobs off the queue and hand the device to each other.
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "runtime/lane.h"
#include "runtime/threads.h"

namespace torchsight {
namespace {

constexpr auto kIdleBeforeTrim = std::chrono::seconds(3);
// About as long as JavaScript takes to hear of a job's end and to submit the next one.
constexpr auto kLinger = std::chrono::microseconds(150);

}  // namespace

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

bool Lane::can_start(const Job& job) const {
  const size_t reserve = job.spec_.priority == Priority::kHigh ? kReservedForHigh : 0;
  return running_.size() < limits_.threads + reserve;
}

void Lane::wake() {
  Idle* const thread = idle_.back();
  idle_.pop_back();
  thread->waits = false;
  thread->woken.notify_one();
}

void Lane::linger() const {
  const auto end = Clock::now() + kLinger;
  while (queued_ == 0 && Clock::now() < end) std::this_thread::yield();
}

void Lane::run_thread() {
  Lock lock(mutex_);
  Idle idle;
  while (true) {
    const auto next = choose(queue_, [&](const Job& job) { return can_start(job); });
    if (next == queue_.end()) {
      idle.waits = true;
      idle_.push_back(&idle);
      idle.woken.wait(lock, [&] { return !idle.waits; });
      continue;
    }
    std::shared_ptr<Job> job = take(queue_, next);
    note_queue();
    counters_.queued_bytes -= job->spec_.input_bytes;
    running_.push_back(job);
    lock.unlock();
    run(job);
    job.reset();
    linger();
    lock.lock();
    --finishing_;
    if (!queue_.empty() && !idle_.empty()) wake();
  }
}

void Lane::run(const std::shared_ptr<Job>& job) {
  std::optional<Error> error;
  job->began_ = Clock::now();
  try {
    apply_intraop_threads();
    if (job->place_) job->place_->wait();
    {
      Lock lock(mutex_);
      wait_for_turn(*job, lock);
    }
    job->spec_.observer->started();
    perform(*job);
    error = job->verdict();
  } catch (...) {
    error = job->verdict();
    if (!error) error = current_error();
  }
  job->drop_work();  // before anyone hears of its end
  const JobStats stats = job->stats();
  {
    Lock lock(mutex_);
    if (job->has_device_) pass_turn();
    job->has_device_ = false;
    ++finishing_;
    ++ended_;
    count(error);
    mean_seconds_ = 0.9 * mean_seconds_ + 0.1 * stats.ran;
  }
  job->spec_.observer->finished(std::move(error), stats);
  Lock lock(mutex_);
  running_.remove(job);
  --ended_;
  settled_.notify_all();
  used_ = true;
  if (unwatched_) watch_.notify_one();
}

void Lane::perform_once(Job& job) {
  MeterScope meter(job.meter_);
  c10::AutoGradMode grad(job.spec_.grad);
  job.spec_.work(job);
  synchronize(device_);
}

void Lane::perform(Job& job) {
  const c10::OptionalDeviceGuard device(
      is_accelerator(device_) ? std::optional(require_device(device_)) : std::nullopt);
  try {
    return perform_once(job);
  } catch (...) {
    const bool again = job.spec_.repeatable && !job.emitted_;
    if (!again || current_error().code() != ErrorCode::kOutOfMemory) throw;
  }
  // What the work held is gone by now; what libtorch keeps may be in pieces that are too small.
  empty_cache(device_);
  perform_once(job);
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
    const bool leaves = !job.spec_.in_turn;
    const auto ready = [&] { return job.has_device_ || (leaves && job.verdict()); };
    if (job.spec_.deadline && leaves) {
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

std::optional<Clock::time_point> Lane::next_deadline() const {
  std::optional<Clock::time_point> next;
  for (const auto& job : queue_) {
    const auto deadline = job->spec_.in_turn ? std::nullopt : job->spec_.deadline;
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

Lane::Jobs Lane::take_expired() {
  Jobs expired;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const auto job = it++;
    if ((*job)->spec_.in_turn || !(*job)->verdict()) continue;
    counters_.queued_bytes -= (*job)->spec_.input_bytes;
    ++counters_.expired;
    expired.splice(expired.end(), queue_, job);
  }
  note_queue();
  return expired;
}

// Ends queued jobs at their deadline, and gives memory back once nothing has run for a while.
void Lane::watch() {
  Lock lock(mutex_);
  bool trimmed = true;
  while (true) {
    if (const auto deadline = next_deadline()) {
      trimmed = false;
      watch_.wait_until(lock, *deadline);
    } else if (!trimmed) {
      used_ = false;
      const auto woken = watch_.wait_for(lock, kIdleBeforeTrim);
      trimmed = woken == std::cv_status::timeout && !used_ && queue_.empty() && running_.empty();
      if (trimmed) empty_cache();
    } else {
      unwatched_ = true;
      watch_.wait(lock);
      unwatched_ = false;
      trimmed = !used_;
    }
    const Jobs expired = take_expired();
    lock.unlock();
    for (const auto& job : expired) {
      job->drop_work();
      job->spec_.observer->finished(job->verdict(), job->stats());
    }
    lock.lock();
  }
}

}  // namespace torchsight
