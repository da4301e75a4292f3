#include "runtime/gate.h"

#include <chrono>

#include "runtime/error.h"

namespace torchsight {
namespace {

// How often a call that waits looks whether it was cancelled.
constexpr std::chrono::milliseconds kPoll(5);

}  // namespace

Gate::Place Gate::enter(JobContext& context) {
  while (!free_.try_acquire_for(kPoll)) {
    if (!context.cancelled()) continue;
    context.checkpoint();  // may know of a deadline
    throw Error(ErrorCode::kCancelled, "the job was cancelled");
  }
  return Place(&free_);
}

}  // namespace torchsight
