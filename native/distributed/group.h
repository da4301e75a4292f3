// Ranks that compute one module together. Thin over c10d, so that the engine underneath is the one
// that the field already trusts.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace torchsight {

/// All ranks must issue the same collectives in the same order. A lost rank surfaces as
/// `Error(kRankFailed)`, a silent one as `Error(kCollectiveTimeout)`; the group is unusable after
/// either.
class Group {
 public:
  virtual ~Group() = default;

  virtual int64_t rank() const noexcept = 0;
  virtual int64_t size() const noexcept = 0;

  /// Concatenates every rank's `local` along dimension 0. All have the same shape.
  virtual at::Tensor all_gather(const at::Tensor& local) = 0;
  /// Sums `full` over the ranks and returns this rank's part of dimension 0.
  virtual at::Tensor reduce_scatter(const at::Tensor& full) = 0;
  /// Sums `tensor` over the ranks, in place.
  virtual void all_reduce(at::Tensor& tensor) = 0;
  /// Copies `tensor` of rank `root` to all ranks, in place.
  virtual void broadcast(at::Tensor& tensor, int64_t root) = 0;

  /// True on all ranks where any rank says so: how ranks leave together on a cancel.
  bool agree(bool stop);

  /// Ends pending and later collectives with an error, so that no peer thread waits for this one.
  virtual void abort() noexcept {}
};

/// Ranks that are threads of this process, each owning one of the returned groups. Sums run in rank
/// order, so results repeat bitwise: the reference for all other kinds.
std::vector<std::shared_ptr<Group>> make_local_groups(int64_t size);

struct GlooOptions {
  std::string store;  // a file that all ranks can reach; must not exist before the first one
  int64_t rank = 0;
  int64_t size = 1;
  std::string host = "127.0.0.1";  // the address that this rank listens on
  std::chrono::milliseconds timeout{30'000};
};

/// Ranks that are processes, joined by Gloo. Throws `Error(kRendezvous)` where they do not meet
/// within the timeout and `Error(kUnsupported)` on platforms without Gloo.
std::shared_ptr<Group> make_gloo_group(const GlooOptions& options);

}  // namespace torchsight
