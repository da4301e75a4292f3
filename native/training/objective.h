// What a training step makes smaller.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/module.h"

namespace torchsight {

/// A loss of one batch: the sum that is differentiated, and what it is made of.
struct Losses {
  at::Tensor total;      // a scalar
  NamedTensors parts;    // without gradients; means over the batch
  NamedTensors largest;  // without gradients; the largest of the batch
};

/// A loss of what a method of a module gives.
class Objective {
 public:
  Objective(Module& module, std::string method) : module_(module), method_(std::move(method)) {}
  virtual ~Objective() = default;

  MethodSchema schema() const { return module_.schema_of(method_); }
  /// What a batch has.
  virtual std::vector<TensorSpec> inputs() const = 0;
  /// The loss of a batch. Gradients are enabled.
  virtual Losses operator()(Call& call, JobContext& context) = 0;
  /// Whether the loss of a batch is the mean of those of its parts.
  virtual bool separable() const { return true; }
  /// Tensors beside the module's own that losses depend on, for checkpoints: restored in place.
  virtual NamedTensors state() const { return {}; }
  /// What the method gives for a batch, whatever else that has.
  NamedTensors outputs(const Call& call, JobContext& context);

 private:
  Module& module_;
  std::string method_;
};

/// `total`, and of `outputs` what they tell of attention.
Losses with_telemetry(const at::Tensor& total, const NamedTensors& outputs);

/// Adds `share` times the parts of a loss to sums over a batch, and takes in its largest.
void add_losses(NamedTensors& sums, const Losses& losses, double share);

/// Classification by the logits that `method` of `module` gives. `loss`: `sigmoid`, for labels
/// [B, K] of 0 and 1 (numbers between count as well): the sum over labels, as big_vision's
/// `sigmoid_xent`; or `softmax`, for labels [B] of indices or [B, K] of probabilities.
std::unique_ptr<Objective> classification(Module& module, std::string method,
                                          const std::string& loss);

/// Distillation (Hinton et al., arXiv 1503.02531) of the logits that `method` of `module` gives: a
/// batch has `teacher_logits` [B, K], and `labels` as of `classification` by `softmax` where
/// `distillation.alpha` is below 1. The loss is alpha T^2 KL(teacher / T, student / T), with
/// `distillation.temperature` T, plus (1 - alpha) times that of the labels. Throws
/// `Error(kBadConfig)`.
std::unique_ptr<Objective> distillation(Module& module, std::string method, const Json& options);

/// Pictures and texts that belong together, row by row, by the logits [B, B] that the method
/// `similarity` of `module` gives. `loss`: `sigmoid` (arXiv 2303.15343, algorithm 1) or `softmax`
/// (as CLIP, arXiv 2103.00020, figure 3). Throws `Error(kBadConfig)`.
std::unique_ptr<Objective> contrastive(Module& module, const std::string& loss);

/// For a loss that is computed elsewhere, of the outputs of `method`: it has no value of its own.
std::unique_ptr<Objective> given_loss(Module& module, std::string method);

/// Of a classifier, by `options.loss` and `options.method`: `sigmoid`, `softmax`, `distillation` or
/// `given`; `loss` where the options have none.
std::unique_ptr<Objective> objective_of_classifier(Module& module, const Json& options,
                                                   const char* loss);

}  // namespace torchsight
