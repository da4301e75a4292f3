// Ranks that compute one module together. Thin over c10d, so that the engine underneath is the one
// that the field already trusts.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace torchsight {

/// Messages under way.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Returns once what was sent may change and what was to be received is there. Throws as the
  /// collectives of `Group`.
  virtual void wait() = 0;
};

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
  /// Sends part r of dimension 0 of `full` to rank r; part r of the result came from rank r.
  virtual at::Tensor all_to_all(const at::Tensor& full) = 0;
  /// Sums `tensor` over the ranks, in place.
  virtual void all_reduce(at::Tensor& tensor) = 0;

  /// Starts to sum `tensor` over the ranks, in place.
  virtual std::unique_ptr<Transfer> start_all_reduce(at::Tensor& tensor) = 0;
  /// Starts to send `out` to the next rank of the ring and to fill `in` with what the one before
  /// sends. Both are contiguous and left alone until the transfer has been awaited.
  virtual std::unique_ptr<Transfer> start_ring(const at::Tensor& out, at::Tensor& in) = 0;

  /// True on all ranks where any rank says so: how ranks leave together on a cancel.
  bool agree(bool stop);

  /// Waits for collectives that are done by a device while their caller goes on, and throws as the
  /// others do at once.
  virtual void finish() {}

  /// Ends pending and later collectives with an error, so that no peer thread waits for this one.
  virtual void abort() noexcept {}
};

/// Ranks that are threads of this process, each owning one of the returned groups. Sums run in rank
/// order, so results repeat bitwise: the reference for all other kinds.
std::vector<std::shared_ptr<Group>> make_local_groups(int64_t size);

/// `group` as over a slower network: every message takes `delay` longer, and a collective is as
/// many as a ring needs for it. For measuring what computation hides.
std::shared_ptr<Group> make_delayed_group(std::shared_ptr<Group> group,
                                          std::chrono::microseconds delay);

/// `group`, which writes what it sends into the timeline of the call, where there is one.
std::shared_ptr<Group> make_traced_group(std::shared_ptr<Group> group);

}  // namespace torchsight
