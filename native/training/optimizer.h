// How gradients move the weights.
#pragma once

#include <memory>
#include <vector>

#include "distributed/group.h"
#include "training/weights.h"

namespace torchsight {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Moves the weights against their gradients, which are in the same order and of the same shapes.
  /// `rate` is the schedule's learning rate, `step` counts from 0.
  virtual void step(const std::vector<Weight>& weights, const std::vector<at::Tensor>& gradients,
                    double rate, int64_t step) = 0;

  /// The state of weight `index` by names of the optimizer's own, the optimizer's memory itself.
  virtual NamedTensors state(size_t index) const = 0;
};

/// Of `{kind: "adamw" | "adafactor" | "sgd", …}` with the numbers below. `parts`: the ranks that
/// hold the other parts of weights that are cut. Throws `Error(kBadConfig)`.
std::unique_ptr<Optimizer> make_optimizer(const Json& json, const std::vector<Weight>& weights,
                                          std::shared_ptr<Group> parts = {});

/// AdamW (arXiv 1711.05101) as torch.optim has it: `beta1`, `beta2`, `eps`.
std::unique_ptr<Optimizer> make_adamw(const Json& json, const std::vector<Weight>& weights);
/// SGD as torch.optim has it: `momentum`, `nesterov`; decay is added to the gradient.
std::unique_ptr<Optimizer> make_sgd(const Json& json, const std::vector<Weight>& weights);
/// Adafactor (arXiv 1804.04235) as big_vision's `scale_by_adafactor` has it, which trained ViT-G
/// (arXiv 2106.04560): second moments of matrices factored, momentum in bfloat16, decoupled decay.
/// `momentum`, `decay_exponent`, `beta2_cap`, `min_dim_to_factor`, `clip_threshold`, `eps`. Means
/// over what is cut are those of the full weight. Throws `Error(kUnsupported)` where ranks hold
/// copies of parts.
std::unique_ptr<Optimizer> make_adafactor(const Json& json, const std::vector<Weight>& weights,
                                          std::shared_ptr<Group> parts = {});

}  // namespace torchsight
