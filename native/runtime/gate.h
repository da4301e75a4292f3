// What calls wait at until it is their turn, without holding up whoever cancels them.
#pragma once

#include <memory>
#include <semaphore>

#include "runtime/job.h"

namespace torchsight {

/// Lets a number of calls in at a time.
class Gate {
 public:
  explicit Gate(int64_t places = 1) : free_(places) {}

  struct Leave {
    void operator()(std::counting_semaphore<>* free) const { free->release(); }
  };
  /// Given back with the object; the gate must outlive it.
  using Place = std::unique_ptr<std::counting_semaphore<>, Leave>;

  /// Waits for a place, with the device as it is: callers that hold it yield it first. Throws
  /// `Error(kCancelled)` or `Error(kDeadline)` where the job must end meanwhile.
  [[nodiscard]] Place enter(JobContext& context);

 private:
  std::counting_semaphore<> free_;
};

}  // namespace torchsight
