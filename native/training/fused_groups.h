// Weights that libtorch's fused optimizers can move together.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "training/weights.h"

namespace torchsight {

/// Indices of weights by (rate, decay): one fused call has one of each.
inline std::map<std::pair<double, double>, std::vector<size_t>> fused_groups(
    const std::vector<Weight>& weights) {
  std::map<std::pair<double, double>, std::vector<size_t>> groups;
  for (size_t i = 0; i < weights.size(); ++i) {
    groups[{weights[i].rate, weights[i].decay}].push_back(i);
  }
  return groups;
}

/// Those entries of `all`.
inline std::vector<at::Tensor> chosen(const std::vector<at::Tensor>& all,
                                      const std::vector<size_t>& indices) {
  std::vector<at::Tensor> some;
  for (const size_t index : indices) some.push_back(all[index]);
  return some;
}

}  // namespace torchsight
