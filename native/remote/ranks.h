// The workers of one remote module, asked together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "remote/remote_module.h"

namespace torchsight {

class RemoteModule::Ranks {
 public:
  /// Starts `size` workers. They meet, if there are several, through a file that lives as long as
  /// this object.
  explicit Ranks(int64_t size);
  ~Ranks();

  /// Sends `body` to every rank, waits for all replies and returns the first rank's. The device is
  /// free for other jobs meanwhile; progress and items of rank 0 go to `context`, what all ranks
  /// have traced to `timeline`. A rank that fails alone ends the whole group, since the others
  /// would wait for it.
  Message ask(const Json& body, const NamedTensors& tensors, JobContext& context,
              Timeline* timeline = nullptr);

  bool alive() const;
  int64_t size() const { return static_cast<int64_t>(workers_.size()); }
  std::vector<int64_t> pids() const;
  std::string store() const { return store_.string(); }

 private:
  struct Round;
  void await(Round& round, JobContext& context);
  void kill() noexcept;
  Error failure(const Round& round) const;

  std::vector<std::unique_ptr<WorkerProcess>> workers_;
  std::filesystem::path store_;
};

}  // namespace torchsight
