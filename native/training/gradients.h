// Gradients of all weights together.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "training/weights.h"

namespace torchsight {

/// The norm of all gradients as one vector.
double global_norm(const std::vector<at::Tensor>& gradients);

/// Scales the gradients so that their norm is at most `most`, as torch.nn.utils.clip_grad_norm_.
void clip_gradients(std::vector<at::Tensor>& gradients, double norm, double most);

/// Adds `share` times the gradients of one example, clipped to the norm `most` (arXiv 1607.00133,
/// algorithm 1, without noise), to `sums`, which may be empty. Uses the memory of `gradients`.
void add_clipped(std::vector<at::Tensor>& sums, std::vector<at::Tensor> gradients, double most,
                 double share);

/// Throws `Error(kDiverged)` where the loss or the norm is no number, naming the first weight whose
/// gradient is none.
void check_finite(double loss, double norm, const std::vector<Weight>& weights,
                  const std::vector<at::Tensor>& gradients, int64_t step);

}  // namespace torchsight
