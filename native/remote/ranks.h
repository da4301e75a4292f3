// The workers of one remote module, asked together.
#pragma once

#include <atomic>
#include <chrono>
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

  /// How long a cancelled call may take to end before its workers are killed. One layer of a large
  /// model takes seconds on a CPU.
  static constexpr std::chrono::milliseconds kCancelGrace{20'000};

  /// Sends `body` to every rank, waits for all replies and returns the first rank's. The device is
  /// free for other jobs meanwhile; progress and items of rank 0 go to `context`, what all ranks
  /// have traced to `timeline`. A rank that fails alone ends the whole group, since the others
  /// would wait for it.
  Message ask(const Json& body, const NamedTensors& tensors, JobContext& context,
              Timeline* timeline = nullptr, std::chrono::milliseconds grace = kCancelGrace);
  /// Sends `body` to every rank that is alive and waits for nothing.
  void tell(const Json& body);

  /// A number that no other session of these workers has.
  int64_t next_session() { return ++sessions_; }

  bool alive() const;
  int64_t size() const { return static_cast<int64_t>(workers_.size()); }
  std::vector<int64_t> pids() const;
  std::string store() const { return store_.string(); }

 private:
  struct Round;
  Json addressed(const Json& body, size_t rank) const;
  void await(Round& round, JobContext& context, std::chrono::milliseconds grace);
  void kill() noexcept;
  Error failure(const Round& round) const;

  std::vector<std::unique_ptr<WorkerProcess>> workers_;
  std::filesystem::path store_;
  std::atomic<int64_t> sessions_ = 0;
};

}  // namespace torchsight
