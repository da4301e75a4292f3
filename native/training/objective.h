// What a training step makes smaller.
#pragma once

#include <string>
#include <vector>

#include "runtime/module.h"

namespace torchsight {

/// A loss of one batch: the sum that is differentiated, and what it is made of.
struct Losses {
  at::Tensor total;    // a scalar
  NamedTensors parts;  // scalars, without gradients
};

class Objective {
 public:
  virtual ~Objective() = default;
  /// What a batch has beside the inputs of the module's method.
  virtual std::vector<TensorSpec> inputs() const = 0;
  /// The loss of a batch, its mean over the pictures. Gradients are enabled.
  virtual Losses operator()(Call& call, JobContext& context) = 0;
};

/// Classification by the logits that `method` of `module` gives. `loss`: `sigmoid`, for labels
/// [B, K] of 0 and 1 (numbers between count as well): the sum over labels, as big_vision's
/// `sigmoid_xent`; or `softmax`, for labels [B] of indices or [B, K] of probabilities.
std::unique_ptr<Objective> classification(Module& module, std::string method,
                                          const std::string& loss);

}  // namespace torchsight
