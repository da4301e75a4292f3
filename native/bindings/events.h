// The way from job threads back to JavaScript.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/job.h"

namespace torchsight {

class Environment;

/// What job threads want to tell JavaScript. Outlives the environment, closed once that ends.
class EventQueue {
 public:
  using Event = std::function<void(Environment&)>;

  void open(Napi::Env env, Environment* environment);
  void close() noexcept;
  void post(Event event);
  /// Posts progress of a job; what JavaScript has not yet heard is replaced.
  void post_progress(double job, Progress progress);
  /// Whether the environment's event loop is held open for running jobs.
  void hold(Napi::Env env, bool held);

 private:
  void drain(Environment& environment);
  void wake();

  std::mutex mutex_;
  bool open_ = false;
  bool woken_ = false;
  std::vector<Event> events_;
  std::unordered_map<double, std::shared_ptr<Progress>> progress_;
  Napi::ThreadSafeFunction function_;
};

}  // namespace torchsight
