// One piece of running work, as the code that does the work sees it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "runtime/tensors.h"

namespace torchsight {

struct Progress {
  double done = 0;
  double total = 0;   // 0 where it is not known
  std::string phase;  // e.g. "blocks"
};

/// What a job's work may ask of whoever runs it. The base class is the context of plain C++ calls:
/// it never cancels and drops progress and items.
class JobContext {
 public:
  virtual ~JobContext() = default;

  /// A point between layers, denoise steps or tokens. Throws `Error(kCancelled)` or
  /// `Error(kDeadline)` where the job must end, and may run other jobs of the device meanwhile.
  /// Never call it while ranks of a group could be at different points (see `Group::agree`).
  virtual void checkpoint() {}

  /// True once the job must end; for loops that cannot throw.
  virtual bool cancelled() const noexcept { return false; }

  /// Tells how far the work is. Lossy: only the latest state reaches the listener.
  virtual void progress(const Progress&) {}

  /// Puts one item on the job's stream. Lossless: waits, with the device given to other jobs, while
  /// the reader is behind.
  virtual void emit(NamedTensors) {}

  /// Gives the device to other jobs while this thread waits for something else, e.g. a process.
  class Yielded {
   public:
    explicit Yielded(JobContext& context) : context_(context) { context_.release_device(); }
    ~Yielded() { context_.acquire_device(); }
    Yielded(const Yielded&) = delete;
    Yielded& operator=(const Yielded&) = delete;

   private:
    JobContext& context_;
  };

 protected:
  virtual void release_device() noexcept {}
  virtual void acquire_device() noexcept {}
};

/// The context of what a thread waits for that must not wait for good, such as JavaScript's: it
/// must end, with `Error(kDeadline)`, once `limit` has passed.
class LimitedContext final : public JobContext {
 public:
  explicit LimitedContext(std::chrono::milliseconds limit)
      : limit_(limit), end_(std::chrono::steady_clock::now() + limit) {}

  void checkpoint() override;
  bool cancelled() const noexcept override { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::milliseconds limit_;
  std::chrono::steady_clock::time_point end_;
};

}  // namespace torchsight
