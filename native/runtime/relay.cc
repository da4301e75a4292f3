#include "runtime/relay.h"

#include <utility>

#include "runtime/error.h"

namespace torchsight {
namespace {

using Clock = std::chrono::steady_clock;

// How often a waiting job looks whether it was cancelled.
constexpr std::chrono::milliseconds kPoll(5);
// How long the others have to end by themselves once one has failed.
constexpr std::chrono::milliseconds kGrace(500);

// Runs `work` without the lock.
template <typename Work>
void unlocked(std::unique_lock<std::mutex>& lock, const Work& work) {
  lock.unlock();
  work();
  lock.lock();
}

}  // namespace

void relay(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Told& told,
           const Workers& workers, JobContext& context) {
  bool cancelled = false, given_up = false;
  std::optional<Clock::time_point> limit;
  const auto end_within = [&](std::chrono::milliseconds grace) {
    const auto end = Clock::now() + grace;
    if (!limit || end < *limit) limit = end;
  };
  while (!workers.ended() || !told.items.empty()) {
    changed.wait_for(lock, kPoll);
    if (const auto progress = std::exchange(told.progress, std::nullopt)) {
      unlocked(lock, [&] { context.progress(*progress); });
    }
    while (!told.items.empty()) {
      NamedTensors item = std::move(told.items.front());
      told.items.pop_front();
      changed.notify_all();
      unlocked(lock, [&] {
        try {
          context.emit(std::move(item));
        } catch (const Error&) {
          // The job must end: the cancel below tells the workers.
        }
        workers.item_taken();
      });
    }
    if (!cancelled && context.cancelled()) {
      cancelled = true;
      if (workers.cancel_grace) end_within(*workers.cancel_grace);
      unlocked(lock, workers.cancel);
      changed.notify_all();
    }
    if (told.failed) end_within(kGrace);
    if (given_up || !limit || Clock::now() < *limit) continue;
    given_up = true;
    unlocked(lock, workers.give_up);
  }
}

}  // namespace torchsight
