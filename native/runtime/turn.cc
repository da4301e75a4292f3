#include "runtime/turn.h"

#include <condition_variable>
#include <mutex>
#include <set>

namespace torchsight {
namespace {

struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<int64_t> open;
  int64_t next = 0;
};

// Never destroyed: threads of a lane may outlive static destruction.
Queue& queue() {
  static auto* all = new Queue;
  return *all;
}

}  // namespace

Turn::Turn() {
  std::lock_guard lock(queue().mutex);
  place_ = queue().next++;
  queue().open.insert(place_);
}

Turn::~Turn() {
  std::lock_guard lock(queue().mutex);
  queue().open.erase(place_);
  queue().changed.notify_all();
}

void Turn::wait() const {
  std::unique_lock lock(queue().mutex);
  queue().changed.wait(lock, [&] { return *queue().open.begin() == place_; });
}

}  // namespace torchsight
