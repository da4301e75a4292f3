// A module that lives in workers: one for isolation, or one for each rank of a sharded model.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "programs/scratch.h"
#include "remote/replica.h"
#include "remote/worker_process.h"
#include "runtime/gate.h"
#include "runtime/loader.h"

namespace torchsight {

/// Looks like any other module. Lost workers are started and loaded anew by the next call.
class RemoteModule final : public Replica {
 public:
  RemoteModule(LoadRequest request, JobContext& context);
  ~RemoteModule() override;

  Json describe() override { return description_; }
  NamedTensors call(const std::string& method, Call& call, JobContext& context) override;
  /// Gives up after the collective timeout, as a session's snapshot and restore do (which has more
  /// time for a large state): JavaScript waits for them. A worker that does not even take a cancel
  /// then is killed.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options,
                                        const ReplicaSeat& seat) override;
  bool of_threads() const override { return false; }
  /// Has the workers write the module's parameters, each rank those that it holds.
  void save(const SaveOptions& options, JobContext& context) override;
  /// Process ids, rank by rank.
  std::vector<int64_t> pids();

 private:
  friend class RemoteSession;
  class Ranks;

  /// The workers, started if there are none or one of them is gone.
  std::shared_ptr<Ranks> ranks(JobContext& context);
  void start(JobContext& context);
  /// Held by what ranks must all see in one order; calls of one worker run side by side.
  Gate::Place turn(JobContext& context);

  std::unique_ptr<Scratch> scratch_;  // of a program; outlives its worker
  LoadRequest request_;
  int64_t size_;
  std::chrono::milliseconds limit_;  // of what JavaScript waits for
  Json description_;
  Gate calls_;
  Gate starting_;
  std::mutex mutex_;  // guards ranks_
  std::shared_ptr<Ranks> ranks_;
};

}  // namespace torchsight
