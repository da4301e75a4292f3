// The gradients of a batch, part after part.
#pragma once

#include <vector>

#include "training/adapters.h"
#include "training/weights.h"

namespace torchsight {

class BatchGradients {
 public:
  /// Of `weights`, which outlive it, as `adapters` do, where they are some of them (null: none).
  /// With `clip_per_example` above 0 each part is one example, whose gradient has at most that norm
  /// before it gets its share.
  BatchGradients(const std::vector<Weight>& weights, const Adapters* adapters,
                 double clip_per_example)
      : weights_(weights), adapters_(adapters), clip_per_example_(clip_per_example) {}

  /// Before the first part, and after the last: forgets all of them.
  void clear();
  /// The backward pass of a part's loss, which is `share` of the batch.
  void add(const at::Tensor& loss, double share);
  /// The gradients of all weights, in their order.
  std::vector<at::Tensor> take();

 private:
  void forget() const;
  std::vector<at::Tensor> left() const;

  const std::vector<Weight>& weights_;
  const Adapters* adapters_;
  double clip_per_example_;
  std::vector<at::Tensor> clipped_;  // of the examples so far
};

}  // namespace torchsight
