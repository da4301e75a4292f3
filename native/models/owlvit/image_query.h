// Which patch of a picture stands for what the picture, or a box in it, shows.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchsight::owlvit {

enum class QueryStrategy {
  /// Among the patches whose boxes fit best, the one whose embedding is least like the mean of all
  /// (scenic, notebooks/inference.py; transformers, embed_image_query).
  kDissimilar,
  /// Among those, the one that most looks like an object, as the authors advise for OWLv2.
  kObjectness,
};

/// Indices [B] of the patches to query with. `boxes` [B, P, 4] are (cx, cy, w, h), `targets` [B, 4]
/// corners (x0, y0, x1, y1) in the same units. Candidates are the patches within 0.8 of the best
/// IoU; where no box touches the target, within 1.2 of the best generalised IoU, which is negative.
/// `objectness` [B, P] is read by its strategy alone.
at::Tensor select_query(const at::Tensor& boxes_BP4, const at::Tensor& targets_B4,
                        const at::Tensor& class_embeds_BPE, const at::Tensor& objectness_BP,
                        QueryStrategy strategy);

}  // namespace torchsight::owlvit
