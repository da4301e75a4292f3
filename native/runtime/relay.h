// How a job waits for others that do its work, and hears and tells what there is meanwhile.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "runtime/job.h"

namespace torchsight {

/// What those who work have told, and nobody has passed on yet.
struct Told {
  bool failed = false;  // one of them, at least
  std::optional<Progress> progress;
  std::deque<NamedTensors> items;
};

/// What a job may do to those who work for it. All but `ended` is called without the lock.
struct Workers {
  std::function<bool()> ended;  // all of them
  std::function<void()> item_taken = [] {};
  std::function<void()> cancel;   // once, when the job must end
  std::function<void()> give_up;  // once, where some go on for too long after a failure or a cancel
  /// How long they may take after a cancel; as long as they want where it is left out.
  std::optional<std::chrono::milliseconds> cancel_grace;
};

/// Returns once all workers have ended and `context` has been given all that they have told, in
/// which order they did. `lock` guards `told`, and `changed` tells of every change of it; it also
/// tells that an item was taken.
void relay(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Told& told,
           const Workers& workers, JobContext& context);

}  // namespace torchsight
