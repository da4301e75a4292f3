// The optimizer's state divided over replicas: ZeRO's first stage (arXiv 1910.02054).
#pragma once

#include <memory>
#include <vector>

#include "training/run_ranks.h"
#include "training/weights.h"

namespace torchsight {

/// Which replica keeps the state of which weight, and moves it. Weights are not cut: the largest
/// ones are dealt first, each to the replica that has least, so that what an optimizer computes of
/// one weight is what it computes alone, bit for bit.
class StateShares {
 public:
  /// `divide` false, or one replica: each keeps all.
  StateShares(RunRanks ranks, const std::vector<Weight>& weights, bool divide);

  bool divided() const { return divided_; }
  /// The replica that keeps the state of weight `index`.
  int64_t owner(size_t index) const { return owners_[index]; }
  bool owns(size_t index) const { return !divided_ || owners_[index] == ranks_.replicas->rank(); }
  /// Those entries of a list, one for each weight, that this replica keeps.
  template <typename T>
  std::vector<T> own(const std::vector<T>& all) const {
    std::vector<T> mine;
    for (size_t i = 0; i < all.size(); ++i) {
      if (owns(i)) mine.push_back(all[i]);
    }
    return mine;
  }

  /// Gives each weight of all replicas the value that its owner has.
  void publish(const std::vector<Weight>& weights) const;

 private:
  RunRanks ranks_;
  bool divided_;
  std::vector<int64_t> owners_;
};

}  // namespace torchsight
