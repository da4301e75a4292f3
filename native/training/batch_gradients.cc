#include "training/batch_gradients.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "training/gradients.h"

namespace torchsight {

void BatchGradients::clear() {
  forget();
  clipped_.clear();
}

void BatchGradients::add(const at::Tensor& loss, double share) {
  if (clip_per_example_ == 0) {
    (loss * share).backward();
    return;
  }
  loss.backward();
  const at::NoGradGuard no_grad;
  add_clipped(clipped_, left(), clip_per_example_, share);
  forget();
}

std::vector<at::Tensor> BatchGradients::take() {
  return clip_per_example_ == 0 ? left() : std::exchange(clipped_, {});
}

void BatchGradients::forget() const {
  clear_gradients(weights_);
  if (adapters_) adapters_->clear();
}

// What the last backward passes have left.
std::vector<at::Tensor> BatchGradients::left() const {
  if (adapters_) adapters_->derive();
  std::vector<at::Tensor> gradients;
  for (const Weight& weight : weights_) gradients.push_back(weight.gradient());
  return gradients;
}

}  // namespace torchsight
