// One of several replicas of a module, which meet where they train together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distributed/group.h"
#include "runtime/module.h"

namespace torchsight {

/// Where the ranks of one replica meet those of the others that hold the same part.
struct ReplicaSeat {
  int64_t replica = 0;
  int64_t size = 1;
  std::string store;  // a file that is there for this meeting alone, for processes
  /// For threads of this process: the group of each rank of the replica.
  std::vector<std::shared_ptr<Group>> groups = {};
};

class Replica : public Module {
 public:
  using Module::open_session;
  /// Opens a session whose ranks have those of the other replicas as `ModuleOptions::replicas`.
  /// Returns once all replicas have come.
  virtual std::unique_ptr<Session> open_session(const std::string& kind, const Json& options,
                                                const ReplicaSeat& seat) = 0;
  /// Whether its ranks are threads of this process.
  virtual bool of_threads() const = 0;
};

}  // namespace torchsight
