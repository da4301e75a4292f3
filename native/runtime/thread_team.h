// Threads that work on one job together, each with a part of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/error.h"
#include "runtime/job.h"

namespace torchsight {

class ThreadTeam {
 public:
  using Work = std::function<void(int64_t member, JobContext& context)>;

  /// Members compute with `intraop_threads` threads each.
  ThreadTeam(int64_t size, int intraop_threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int64_t size() const { return static_cast<int64_t>(threads_.size()); }

  /// Has every member do `work` and returns once all are through: an error for each that threw.
  /// `stalled` is called once if members have not ended half a second after one that threw. A
  /// cancel of `context` reaches all; progress and items of member 0 go to `context`.
  std::vector<std::optional<Error>> run(const Work& work, JobContext& context,
                                        const std::function<void()>& stalled);

 private:
  struct Round;
  class Member;
  void serve(int64_t member, int intraop_threads);

  std::mutex mutex_;
  std::condition_variable changed_;
  Round* round_ = nullptr;
  uint64_t rounds_ = 0;
  bool leaving_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace torchsight
