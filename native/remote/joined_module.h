// A module of which this process computes one rank, among processes that a launcher started.
#pragma once

#include <optional>

#include "distributed/rendezvous/join.h"
#include "runtime/loader.h"

namespace torchsight {

/// Looks like any other module, as long as all ranks make the same calls in the same order. Each
/// call begins with a look at that: what differs is `Error(kBadInput)` on all ranks, and a cancel
/// of one is a cancel of all. After a failure of one rank alone the group has come to an end: the
/// others see `Error(kRankFailed)`, and the model must be loaded anew on all.
class JoinedModule final : public Module {
 public:
  /// Meets the other ranks, then loads this one's part. Fails on all ranks where it fails on one.
  JoinedModule(LoadRequest request, JobContext& context);

  std::vector<MethodSchema> schemas() const override { return module().schemas(); }
  std::vector<std::string> tap_names() const override { return module().tap_names(); }
  std::vector<Parameter> parameters() override { return module().parameters(); }
  Json describe() override { return description_; }
  /// Where any rank has a timeline all note what they do, and the first that has one is given it
  /// all; no other rank has a timeline afterwards.
  NamedTensors call(const std::string& method, Call& call, JobContext& context) override;
  /// Writes the first replica; the ranks of others have nothing to do.
  void save(const SaveOptions& options, JobContext& context) override;
  /// One rank must not do again what the others have done.
  bool repeatable() const override { return false; }
  /// "trainer": all processes of the launcher open it and make its calls together, those of one
  /// replica with the same batch, other replicas with batches of their own. Throws
  /// `Error(kUnsupported)` for other kinds, which are not kept alike over processes.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;

 private:
  class JoinedSession;
  /// Throws `Error(kRankFailed)` where the group has come to an end.
  Module& module() const;
  /// Throws unless all ranks call `method` with the same `summary` of all that makes the call.
  /// Returns the first rank of the group that is `traced`, if one is.
  std::optional<int64_t> agree(const std::string& method, const std::string& summary, bool traced,
                               JobContext& context);
  /// The same among all replicas, which need not have the same inputs.
  void agree_with_replicas(const std::string& method, const std::string& summary,
                           JobContext& context);
  void leave() noexcept;

  std::shared_ptr<Group> group_;     // null: this process alone
  std::shared_ptr<Group> replicas_;  // the same part of other replicas; null: none
  std::shared_ptr<Module> module_;   // null: the group has come to an end
  Json description_;
  bool first_replica_ = false;
  int64_t calls_ = 0;
  int64_t calls_of_sessions_ = 0;
  int64_t rank_ = 0;  // among all processes of the launcher
};

}  // namespace torchsight
