// A device's lane: the queue of jobs, the threads that run them, and the baton that says whose turn
// the device is.
#pragma once

#include <c10/core/Device.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/accelerator.h"
#include "runtime/error.h"
#include "runtime/job.h"
#include "runtime/memory.h"
#include "runtime/turn.h"

namespace torchsight {

using Clock = std::chrono::steady_clock;

enum class Priority { kHigh, kNormal, kLow };

struct JobStats {
  double queued = 0;  // seconds
  double ran = 0;     // seconds
  int64_t peak_bytes = 0;
};

/// Who is told of a job. Called from any thread, never while a lock of the lane is held.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  virtual void started() {}
  virtual void progress(const Progress&) {}
  virtual void item(NamedTensors) {}
  /// Exactly once. `error` is empty where the work ended well.
  virtual void finished(std::optional<Error> error, const JobStats& stats) = 0;
};

struct JobSpec {
  std::function<void(JobContext&)> work;
  std::shared_ptr<JobObserver> observer;
  Priority priority = Priority::kNormal;
  std::optional<Clock::time_point> deadline;
  bool grad = false;
  /// Whether the work can be done again from its start, which it is once where the device had no
  /// memory for it: it changes nothing but its own results.
  bool repeatable = false;
  size_t stream_capacity = 16;
  int64_t input_bytes = 0;
  const void* owner = nullptr;  // whose jobs `Lane::drain` ends
  /// For work that other processes do together with this one: whatever its priority, it runs in the
  /// order in which it was submitted, even where it was cancelled or its deadline has passed
  /// before, since the others would wait for it.
  bool in_turn = false;
};

class Lane;

/// A job of a lane, for those who watch it from outside.
class Job final : public JobContext {
 public:
  Job(Lane& lane, JobSpec spec);

  void checkpoint() override;
  bool cancelled() const noexcept override;
  void progress(const Progress& progress) override { spec_.observer->progress(progress); }
  void emit(NamedTensors item) override;
  /// The reader has taken one item.
  void item_taken();
  Lane& lane() noexcept { return lane_; }

 private:
  friend class Lane;
  void release_device() noexcept override;
  void acquire_device() noexcept override;
  /// Lets go of what the work holds, and of its place among those in turn.
  void drop_work();
  /// Times up to now.
  JobStats stats() const;
  /// Why the job must end now, if it must.
  std::optional<Error> verdict() const;

  Lane& lane_;
  JobSpec spec_;
  std::atomic<bool> cancel_{false};
  std::unique_ptr<Turn> place_;  // of a job in turn, until its work has ended
  std::shared_ptr<MemoryMeter> meter_ = std::make_shared<MemoryMeter>();
  Clock::time_point submitted_;
  std::optional<Clock::time_point> began_;
  // Guarded by the lane's mutex.
  std::condition_variable turn_;
  bool has_device_ = false;
  int passed_over_ = 0;
  size_t items_waiting_ = 0;
  bool emitted_ = false;
  Pace pace_;
};

struct LaneLimits {
  size_t jobs = 1024;                // queued ones
  int64_t bytes = int64_t{4} << 30;  // of their inputs
  size_t threads = 8;                // jobs in progress at a time
};

struct LaneCounters {
  int64_t submitted = 0, completed = 0, failed = 0, cancelled = 0, expired = 0, refused = 0;
  int64_t queued = 0, running = 0, queued_bytes = 0;

  static constexpr std::array kFields{
      &LaneCounters::submitted, &LaneCounters::completed, &LaneCounters::failed,
      &LaneCounters::cancelled, &LaneCounters::expired,   &LaneCounters::refused,
      &LaneCounters::queued,    &LaneCounters::running,   &LaneCounters::queued_bytes};
};

/// Thrown by `Lane::submit` where the queue is full.
class QueueFull final : public Error {
 public:
  QueueFull(const std::string& message, double retry_after)
      : Error(ErrorCode::kQueueFull, message), retry_after_(retry_after) {}
  /// Milliseconds after which a place is likely to be free.
  double retry_after() const noexcept { return retry_after_; }

 private:
  double retry_after_;
};

class Lane {
 public:
  /// The lane of a device. Lanes live as long as the process.
  static Lane& of(c10::Device device);
  /// Of all devices, and those to come.
  static LaneCounters all_counters();
  static void limit_all(const LaneLimits& limits);
  static LaneLimits default_limits();
  static void drain_all(const void* owner);

  /// Puts a job into the queue. Jobs start in order of priority, first come first served within
  /// one; a job that was passed over `kStarvationBound` times goes first.
  std::shared_ptr<Job> submit(JobSpec spec);
  void cancel(const std::shared_ptr<Job>& job) { cancel(job, false); }
  /// Cancels all jobs of `owner`, or of everybody where it is null, and waits until the last one
  /// has ended.
  void drain(const void* owner);
  /// Has all lanes drained when the process exits, before libtorch's static destructors run under
  /// the jobs. Idempotent.
  static void drain_at_exit();

  LaneCounters counters();
  void set_limits(const LaneLimits& limits);
  LaneLimits limits();

  static constexpr int kStarvationBound = 8;
  /// Jobs of high priority that may be in progress beyond the limit, so that long ones in all other
  /// places cannot hold them up.
  static constexpr size_t kReservedForHigh = 4;

 private:
  friend class Job;
  template <typename Visit>
  static void each(const Visit& visit);
  using Jobs = std::list<std::shared_ptr<Job>>;
  using Lock = std::unique_lock<std::mutex>;

  Lane(c10::Device device, const LaneLimits& limits);
  /// The eligible job that is next by priority and age, or the end.
  template <typename List, typename Eligible>
  static typename List::iterator choose(List& jobs, Eligible eligible);
  /// Takes the chosen job off `jobs` and counts those of lower priority as passed over.
  template <typename List>
  static typename List::value_type take(List& jobs, typename List::iterator chosen);
  bool can_start(const Job& job) const;
  void run_thread();
  void run(const std::shared_ptr<Job>& job);
  /// Does the job's work, and waits until the device has done its part of it.
  void perform(Job& job);
  void perform_once(Job& job);
  void watch();
  /// Marks a job as cancelled. A queued one ends, but for those in turn unless `even_in_turn`.
  void cancel(const std::shared_ptr<Job>& job, bool even_in_turn);
  void count(const std::optional<Error>& error);
  void wait_for_turn(Job& job, Lock& lock);
  void pass_turn();
  std::optional<Clock::time_point> next_deadline() const;
  Jobs take_expired();

  /// Has the thread that was idle last look at the queue. Each thread that computes gets a team of
  /// OpenMP's with it: jobs that follow each other should use one, or the teams crowd the cores.
  void wake();
  /// Looks out for another job for a moment: of short jobs that follow each other, sleeping and
  /// being woken for each would take longer than the jobs.
  void linger() const;
  /// To be called whenever the queue has changed.
  void note_queue() noexcept { queued_ = queue_.size(); }

  /// A thread without a job.
  struct Idle {
    std::condition_variable woken;
    bool waits = false;
  };

  const c10::Device device_;
  std::mutex mutex_;
  std::condition_variable settled_;  // a job has ended
  std::condition_variable watch_;    // the earliest deadline may have changed
  bool unwatched_ = false;           // the watch sleeps until a job has ended
  bool used_ = false;                // since the watch looked last
  Jobs queue_;
  std::atomic<size_t> queued_{0};  // the length of the queue, for those without the lock
  Jobs running_;
  size_t ended_ = 0;         // of those running, jobs whose end is being told
  std::list<Job*> waiting_;  // running jobs that wait for the device
  Job* holder_ = nullptr;
  std::atomic<size_t> waiting_count_{0};
  size_t threads_ = 0;       // all there are
  size_t finishing_ = 0;     // those that have computed, and look at the queue next
  std::vector<Idle*> idle_;  // the last to have become idle at the back
  LaneLimits limits_;
  LaneCounters counters_;
  double mean_seconds_ = 0.05;
};

}  // namespace torchsight
