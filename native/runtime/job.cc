#include "runtime/job.h"

#include <utility>

#include "runtime/lane.h"

namespace torchsight {

void LimitedContext::checkpoint() {
  if (!cancelled()) return;
  throw Error(ErrorCode::kDeadline, "expected an end within " + std::to_string(limit_.count()) +
                                        " ms but other calls, or a process, took longer");
}

Job::Job(Lane& lane, JobSpec spec) : lane_(lane), spec_(std::move(spec)), pace_(lane.device_) {}

std::optional<Error> Job::verdict() const {
  if (cancel_.load(std::memory_order_relaxed)) {
    return Error(ErrorCode::kCancelled, "the job was cancelled");
  }
  if (spec_.deadline && Clock::now() >= *spec_.deadline) {
    return Error(ErrorCode::kDeadline, "the job did not end before its deadline");
  }
  return std::nullopt;
}

void Job::drop_work() {
  spec_.work = nullptr;
  place_.reset();
}

JobStats Job::stats() const {
  using Seconds = std::chrono::duration<double>;
  const auto now = Clock::now();
  const auto began = began_.value_or(now);
  return {Seconds(began - submitted_).count(), Seconds(now - began).count(), meter_->peak()};
}

bool Job::cancelled() const noexcept {
  return cancel_.load(std::memory_order_relaxed) ||
         (spec_.deadline && Clock::now() >= *spec_.deadline);
}

void Job::checkpoint() {
  if (auto error = verdict()) throw *error;
  pace_.step();
  if (lane_.waiting_count_.load(std::memory_order_relaxed) == 0) return;
  Lane::Lock lock(lane_.mutex_);
  if (!has_device_ || lane_.waiting_.empty()) return;
  // Joins those who wait before the turn is passed, so that a higher priority keeps it.
  has_device_ = false;
  lane_.holder_ = nullptr;
  lane_.wait_for_turn(*this, lock);
}

void Job::release_device() noexcept {
  Lane::Lock lock(lane_.mutex_);
  if (!has_device_) return;
  has_device_ = false;
  lane_.pass_turn();
}

void Job::acquire_device() noexcept {
  Lane::Lock lock(lane_.mutex_);
  if (has_device_) return;
  try {
    lane_.wait_for_turn(*this, lock);
  } catch (const Error&) {
    // Cancelled while it waited: the next checkpoint or the end of the work says so.
  }
}

void Job::emit(NamedTensors item) {
  {
    Lane::Lock lock(lane_.mutex_);
    if (items_waiting_ >= spec_.stream_capacity) {
      const bool held = std::exchange(has_device_, false);
      if (held) lane_.pass_turn();
      const auto ready = [&] { return items_waiting_ < spec_.stream_capacity || cancelled(); };
      if (spec_.deadline) {
        turn_.wait_until(lock, *spec_.deadline, ready);
      } else {
        turn_.wait(lock, ready);
      }
      if (auto error = verdict()) throw *error;
      if (held) lane_.wait_for_turn(*this, lock);
    }
    ++items_waiting_;
    emitted_ = true;
  }
  spec_.observer->item(std::move(item));
}

void Job::item_taken() {
  Lane::Lock lock(lane_.mutex_);
  if (items_waiting_ > 0) --items_waiting_;
  turn_.notify_one();
}

}  // namespace torchsight
