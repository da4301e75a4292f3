// Replicas of a module that share each batch: the data axis of a mesh of ranks.
#pragma once

#include "remote/replica.h"
#include "runtime/gate.h"
#include "runtime/module.h"
#include "runtime/thread_team.h"

namespace torchsight {

/// Looks like any other module. A call is cut by what the schema calls the batch of its first such
/// input, as evenly as it divides: inputs and outputs with that symbol are cut and joined along it.
/// Every replica is given other inputs whole. Replicas without a share of a small batch rest.
class DataParallel final : public Module {
 public:
  /// `ranks` is how many each replica has.
  DataParallel(std::vector<std::shared_ptr<Replica>> replicas, int64_t ranks);

  Json describe() override { return description_; }
  /// Throws `Error(kUnsupported)` for results that are no batches, where more than one replica has
  /// some.
  NamedTensors call(const std::string& method, Call& call, JobContext& context) override;
  /// "trainer": one over all replicas, to which each batch is divided. Throws `Error(kNotFound)`
  /// for other kinds, and `Error(kShape)` from calls with a batch that does not give each replica
  /// some.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;
  /// Saves the first replica.
  void save(const SaveOptions& options, JobContext& context) override;
  const std::vector<std::shared_ptr<Replica>>& replicas() const { return replicas_; }

 private:
  class Sessions;
  /// Has every replica do its part; throws the error that explains the others.
  void run(const std::function<void(int64_t replica, JobContext& context)>& work,
           JobContext& context);

  std::vector<std::shared_ptr<Replica>> replicas_;
  int64_t ranks_;
  Json description_;
  Gate calls_;
  ThreadTeam team_;
};

}  // namespace torchsight
