// One piece of running work, as the code that does the work sees it.
#pragma once

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

}  // namespace torchsight
