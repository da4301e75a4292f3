// One `torchsight-worker`: a child process with a channel to it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "remote/channel.h"
#include "runtime/error.h"

namespace torchsight {

/// Where the worker's executable and its libtorch lie. Set once, when the addon starts.
struct WorkerPaths {
  std::string executable;
  std::string libtorch;
};
void set_worker_paths(WorkerPaths paths);

class WorkerProcess {
 public:
  /// What becomes of one request. Called on the process's reader thread.
  struct Replies {
    std::function<void(const Json& progress)> progress;
    std::function<void(NamedTensors item)> item;
    /// Exactly once: the reply, or an error that says why there is none.
    std::function<void(Message reply, std::optional<Error> error)> end;
  };

  /// Starts the process. Throws `Error(kWorkerFailed)` where that fails.
  WorkerProcess();
  /// Ends the process, by force if it must.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Sends a request `{kind, id, …}` and returns its id.
  int64_t request(Json body, const SharedTensors* tensors, Replies replies);
  void cancel(int64_t request);
  void item_taken(int64_t request);
  /// Ends the process now; open requests end with an error.
  void kill() noexcept;

  int pid() const noexcept { return pid_; }
  bool alive() const noexcept { return alive_; }
  /// How the process ended, e.g. "was ended by signal 9".
  std::string fate() const;

 private:
  void read();
  void dispatch(Message message);
  void reap();

  int pid_ = -1;
  std::unique_ptr<Channel> channel_;
  std::atomic<bool> alive_{true};
  mutable std::mutex mutex_;
  std::unordered_map<int64_t, Replies> open_;
  int64_t next_ = 1;
  std::string fate_;
  std::thread reader_;
};

}  // namespace torchsight
