#include "training/state_shares.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace torchsight {
namespace {

// Bytes that a rank sends at once, about: enough to be fast, and little beside the weights.
constexpr int64_t kRound = 25 << 20;

// Weights of one rank that travel together.
using Bunch = std::vector<size_t>;

std::vector<Bunch> bunches_of(const std::vector<Weight>& weights, const std::vector<size_t>& own) {
  std::vector<Bunch> bunches;
  int64_t bytes = kRound;
  for (const size_t index : own) {
    if (bytes >= kRound) {
      bunches.emplace_back();
      bytes = 0;
    }
    bunches.back().push_back(index);
    bytes += static_cast<int64_t>(weights[index].value.nbytes());
  }
  return bunches;
}

int64_t entries_of(const std::vector<Weight>& weights, const Bunch& bunch) {
  return std::accumulate(bunch.begin(), bunch.end(), int64_t{0}, [&](int64_t sum, size_t index) {
    return sum + weights[index].value.numel();
  });
}

// Calls `visit` with each weight of a bunch and its place in the bunch's row.
template <typename Visit>
void each(const std::vector<Weight>& weights, const Bunch& bunch, const at::Tensor& row,
          const Visit& visit) {
  int64_t begin = 0;
  for (const size_t index : bunch) {
    const at::Tensor& value = weights[index].value;
    visit(at::Tensor(value), row.narrow(0, begin, value.numel()).view(value.sizes()));
    begin += value.numel();
  }
}

}  // namespace

StateShares::StateShares(RunRanks ranks, const std::vector<Weight>& weights, bool divide)
    : ranks_(std::move(ranks)), divided_(divide && ranks_.replicated()), owners_(weights.size()) {
  if (!divided_) return;
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return weights[a].value.numel() > weights[b].value.numel();
  });
  std::vector<int64_t> loads(ranks_.replicas->size());
  for (const size_t index : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    owners_[index] = least - loads.begin();
    *least += weights[index].value.numel();
  }
}

void StateShares::publish(const std::vector<Weight>& weights) const {
  if (!divided_) return;
  std::map<at::ScalarType, std::vector<std::vector<size_t>>> by_dtype;
  for (size_t i = 0; i < weights.size(); ++i) {
    auto& owned = by_dtype[weights[i].value.scalar_type()];
    owned.resize(ranks_.replicas->size());
    owned[owners_[i]].push_back(i);
  }
  for (const auto& [dtype, owned] : by_dtype) {
    std::vector<std::vector<Bunch>> bunches;  // by rank
    size_t rounds = 0;
    for (const auto& indices : owned) {
      bunches.push_back(bunches_of(weights, indices));
      rounds = std::max(rounds, bunches.back().size());
    }
    for (size_t round = 0; round < rounds; ++round) {
      // Rows of all ranks are as long as the longest.
      int64_t longest = 0;
      for (auto& rank : bunches) {
        rank.resize(rounds);
        longest = std::max(longest, entries_of(weights, rank[round]));
      }
      const auto memory = weights.front().value.options().dtype(dtype).requires_grad(false);
      const at::Tensor mine = at::zeros({1, longest}, memory);
      each(weights, bunches[ranks_.replicas->rank()][round], mine[0],
           [](const at::Tensor& value, const at::Tensor& place) { place.copy_(value); });
      const at::Tensor all = ranks_.replicas->all_gather(mine);
      for (size_t rank = 0; rank < bunches.size(); ++rank) {
        if (static_cast<int64_t>(rank) == ranks_.replicas->rank()) continue;
        each(weights, bunches[rank][round], all[static_cast<int64_t>(rank)],
             [](const at::Tensor& value, const at::Tensor& place) { value.copy_(place); });
      }
    }
  }
}

}  // namespace torchsight
