// The state of a run as if one rank had made it: what checkpoints hold.
#pragma once

#include <string>
#include <vector>

#include "training/run_ranks.h"
#include "training/state_shares.h"
#include "training/weights.h"

namespace torchsight {

/// Knows what each tensor of the state is a part of, so that any number of ranks can go on from
/// what any other has saved.
class WholeState {
 public:
  /// `optimizer` as `make_optimizer`; `averages`: whether there are moving averages.
  WholeState(RunRanks ranks, const StateShares& shares, const std::vector<Weight>& weights,
             const Json& optimizer, bool averages);

  /// The whole of every tensor, on all ranks alike, of those that this rank has.
  NamedTensors gather(const NamedTensors& own) const;
  /// Fills those that this rank has with their parts of `whole`. Throws `Error(kBadInput)` where
  /// that is not the state of such a run, before anything is filled.
  void scatter(const NamedTensors& whole, const NamedTensors& own) const;
  /// Throws that `Error(kBadInput)`.
  [[noreturn]] static void refuse(const std::string& what);

 private:
  struct Entry {
    std::string name;
    size_t weight;
    at::Tensor full, local;  // in sizes and dtype alone, on the meta device
  };
  /// The dimension that is cut; -1 where none is.
  static int64_t cut_dim(const Entry& entry);
  at::Tensor whole(const Entry& entry, at::Tensor part) const;

  RunRanks ranks_;
  const StateShares& shares_;
  const std::vector<Weight>& weights_;
  std::vector<Entry> entries_;
};

}  // namespace torchsight
