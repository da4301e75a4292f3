#include "distributed/group.h"

#include <ATen/ops/full.h>

namespace torchsight {

bool Group::agree(bool stop) {
  if (size() == 1) return stop;
  at::Tensor votes = at::full({1}, stop ? 1.0f : 0.0f, at::kFloat);
  all_reduce(votes);
  return votes.item<float>() > 0;
}

}  // namespace torchsight
