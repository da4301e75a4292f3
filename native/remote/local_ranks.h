// A sharded module whose ranks are threads of this process: on one device, for tests, and as the
// reference that repeats bit for bit.
#pragma once

#include <mutex>

#include "distributed/group.h"
#include "remote/replica.h"
#include "runtime/gate.h"
#include "runtime/loader.h"
#include "runtime/thread_team.h"

namespace torchsight {

/// Looks like any other module. Ranks that failed alone are loaded anew by the next call.
class LocalRanks final : public Replica {
 public:
  LocalRanks(LoadRequest request, int64_t size, JobContext& context);

  std::vector<MethodSchema> schemas() const override { return ranks().front()->schemas(); }
  std::vector<std::string> tap_names() const override { return ranks().front()->tap_names(); }
  Json describe() override { return ranks().front()->describe(); }
  NamedTensors call(const std::string& method, Call& call, JobContext& context) override;
  /// A session of every rank, that goes with the ranks that were there when it was opened.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options,
                                        const ReplicaSeat& seat) override;
  bool of_threads() const override { return true; }
  void save(const SaveOptions& options, JobContext& context) override;

 private:
  class Sessions;
  using Ranks = std::vector<std::shared_ptr<Module>>;
  using Calls = std::function<NamedTensors(int64_t rank, Call& call, JobContext& context)>;

  /// Has every rank make its own call of one.
  NamedTensors call_all(Call& call, JobContext& context, const Calls& make);
  void load(JobContext& context);
  /// Waits until no other call runs, and loads anew what is broken.
  Gate::Place turn(JobContext& context);
  /// Those of now, for whoever holds no turn.
  Ranks ranks() const;
  void run(const ThreadTeam::Work& work, JobContext& context);

  LoadRequest request_;
  Gate calls_;  // ranks must see all calls in one order
  std::vector<std::shared_ptr<Group>> groups_;
  mutable std::mutex mutex_;  // guards ranks_, which turns alone replace
  Ranks ranks_;
  bool broken_ = false;
  ThreadTeam team_;  // last: its threads use the rest
};

}  // namespace torchsight
