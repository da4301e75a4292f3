#include "models/owlvit/image_query.h"

#include <ATen/ATen.h>

#include <limits>

namespace torchsight::owlvit {
namespace {

constexpr double kWithin = 0.8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::Tensor area(const at::Tensor& low_BP2, const at::Tensor& high_BP2) {
  return (high_BP2 - low_BP2).clamp_min(0).prod(-1);
}

// Patches [B, P] whose boxes fit the target about as well as the best one.
at::Tensor candidates(const at::Tensor& boxes_BP4, const at::Tensor& targets_B4) {
  const at::Tensor centre_BP2 = boxes_BP4.narrow(-1, 0, 2),
                   half_BP2 = boxes_BP4.narrow(-1, 2, 2) / 2;
  const at::Tensor low_BP2 = centre_BP2 - half_BP2, high_BP2 = centre_BP2 + half_BP2;
  const at::Tensor targets_B14 = targets_B4.unsqueeze(1);
  const at::Tensor from_B12 = targets_B14.narrow(-1, 0, 2), to_B12 = targets_B14.narrow(-1, 2, 2);
  const at::Tensor shared_BP = area(at::maximum(low_BP2, from_B12), at::minimum(high_BP2, to_B12));
  const at::Tensor union_BP = area(low_BP2, high_BP2) + area(from_B12, to_B12) - shared_BP;
  const at::Tensor iou_BP = shared_BP / union_BP;
  const at::Tensor hull_BP = area(at::minimum(low_BP2, from_B12), at::maximum(high_BP2, to_B12));
  const at::Tensor generalised_BP = iou_BP - (hull_BP - union_BP) / hull_BP;

  const at::Tensor apart_B1 = iou_BP.eq(0).all(1, /*keepdim=*/true);
  const at::Tensor fit_BP = at::where(apart_B1, generalised_BP, iou_BP);
  const at::Tensor best_B1 = std::get<0>(fit_BP.max(1, /*keepdim=*/true));
  return fit_BP.ge(best_B1 * at::where(best_B1.lt(0), 2 - kWithin, kWithin));
}

}  // namespace

at::Tensor select_query(const at::Tensor& boxes_BP4, const at::Tensor& targets_B4,
                        const at::Tensor& class_embeds_BPE, const at::Tensor& objectness_BP,
                        QueryStrategy strategy) {
  const at::Tensor other_BP = candidates(boxes_BP4, targets_B4).logical_not();
  if (strategy == QueryStrategy::kObjectness) {
    return objectness_BP.masked_fill(other_BP, -kInfinity).argmax(1);
  }
  const at::Tensor mean_BE1 = class_embeds_BPE.mean(1).unsqueeze(-1);
  const at::Tensor likeness_BP = at::matmul(class_embeds_BPE, mean_BE1).squeeze(-1);
  return likeness_BP.masked_fill(other_BP, kInfinity).argmin(1);
}

}  // namespace torchsight::owlvit
