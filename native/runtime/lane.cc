#include "runtime/lane.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace torchsight {
namespace {

struct Lanes {
  std::mutex mutex;
  std::map<std::pair<c10::DeviceType, int>, Lane*> by_device;
  LaneLimits limits;  // of lanes to come
};

// Never destroyed: threads of a lane may outlive static destruction.
Lanes& all_lanes() {
  static auto* lanes = new Lanes;
  return *lanes;
}

}  // namespace

Lane& Lane::of(c10::Device device) {
  Lanes& lanes = all_lanes();
  std::lock_guard lock(lanes.mutex);
  const int index = device.is_cpu() || !device.has_index() ? 0 : device.index();
  Lane*& lane = lanes.by_device[{device.type(), index}];
  if (!lane) {
    const auto number = static_cast<c10::DeviceIndex>(index);
    lane = new Lane(device.is_cpu() ? device : c10::Device(device.type(), number), lanes.limits);
  }
  return *lane;
}

template <typename Visit>
void Lane::each(const Visit& visit) {
  std::vector<Lane*> lanes;
  {
    std::lock_guard lock(all_lanes().mutex);
    for (const auto& [device, lane] : all_lanes().by_device) lanes.push_back(lane);
  }
  for (Lane* lane : lanes) visit(*lane);
}

LaneCounters Lane::all_counters() {
  LaneCounters sum;
  each([&](Lane& lane) {
    const LaneCounters one = lane.counters();
    for (const auto field : LaneCounters::kFields) sum.*field += one.*field;
  });
  return sum;
}

void Lane::limit_all(const LaneLimits& limits) {
  {
    std::lock_guard lock(all_lanes().mutex);
    all_lanes().limits = limits;
  }
  each([&](Lane& lane) { lane.set_limits(limits); });
}

LaneLimits Lane::default_limits() {
  std::lock_guard lock(all_lanes().mutex);
  return all_lanes().limits;
}

void Lane::drain_all(const void* owner) {
  each([owner](Lane& lane) { lane.drain(owner); });
}

void Lane::drain_at_exit() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit([] { drain_all(nullptr); }); });
}

Lane::Lane(c10::Device device, const LaneLimits& limits) : device_(device), limits_(limits) {
  std::thread(&Lane::watch, this).detach();
}

std::shared_ptr<Job> Lane::submit(JobSpec spec) {
  auto job = std::make_shared<Job>(*this, std::move(spec));
  job->submitted_ = Clock::now();
  const int64_t bytes = job->spec_.input_bytes;
  Lock lock(mutex_);
  const bool too_many = queue_.size() >= limits_.jobs;
  // One job alone may be larger than the bound, or it could never run.
  const bool too_large = !queue_.empty() && counters_.queued_bytes + bytes > limits_.bytes;
  if (too_many || too_large) {
    ++counters_.refused;
    const double wait = 1e3 * mean_seconds_ * static_cast<double>(queue_.size() + 1);
    throw QueueFull("the queue is full: " + std::to_string(queue_.size()) + " jobs with " +
                        std::to_string(counters_.queued_bytes) + " bytes wait",
                    wait);
  }
  if (job->spec_.in_turn) {
    job->spec_.priority = Priority::kNormal;
    job->place_ = std::make_unique<Turn>();
  }
  ++counters_.submitted;
  counters_.queued_bytes += bytes;
  queue_.push_back(job);
  note_queue();
  if (queue_.size() <= finishing_) {
    // Whoever has just ended its job takes this one.
  } else if (!idle_.empty()) {
    wake();
  } else if (can_start(*job) && threads_ < limits_.threads + kReservedForHigh) {
    // Threads that were woken or made a moment ago may not have taken their jobs yet.
    ++threads_;
    std::thread(&Lane::run_thread, this).detach();
  }
  if (job->spec_.deadline) watch_.notify_one();
  return job;
}

void Lane::cancel(const std::shared_ptr<Job>& job, bool even_in_turn) {
  Lock lock(mutex_);
  job->cancel_ = true;
  auto queued = std::find(queue_.begin(), queue_.end(), job);
  if (queued == queue_.end() || (job->spec_.in_turn && !even_in_turn)) {
    job->turn_.notify_one();
    return;
  }
  queue_.erase(queued);
  note_queue();
  counters_.queued_bytes -= job->spec_.input_bytes;
  ++counters_.cancelled;
  lock.unlock();
  job->drop_work();
  job->spec_.observer->finished(job->verdict(), job->stats());
}

void Lane::drain(const void* owner) {
  Jobs mine;
  {
    Lock lock(mutex_);
    for (const Jobs* jobs : {&queue_, &running_}) {
      for (const auto& job : *jobs) {
        if (!owner || job->spec_.owner == owner) mine.push_back(job);
      }
    }
  }
  for (const auto& job : mine) cancel(job, true);
  Lock lock(mutex_);
  settled_.wait(lock, [&] {
    return std::none_of(running_.begin(), running_.end(),
                        [&](const auto& job) { return !owner || job->spec_.owner == owner; });
  });
}

LaneCounters Lane::counters() {
  Lock lock(mutex_);
  LaneCounters now = counters_;
  now.queued = static_cast<int64_t>(queue_.size());
  now.running = static_cast<int64_t>(running_.size() - ended_);
  return now;
}

void Lane::set_limits(const LaneLimits& limits) {
  Lock lock(mutex_);
  limits_ = limits;
  while (!idle_.empty()) wake();
}

LaneLimits Lane::limits() {
  Lock lock(mutex_);
  return limits_;
}

}  // namespace torchsight
