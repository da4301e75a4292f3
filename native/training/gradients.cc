#include "training/gradients.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr double kTiny = 1e-6;  // clip_grad_norm_ adds it to the norm

}  // namespace

double global_norm(const std::vector<at::Tensor>& gradients) {
  return at::stack(at::_foreach_norm(gradients, 2)).to(at::kDouble).norm().item<double>();
}

void clip_gradients(std::vector<at::Tensor>& gradients, double norm, double most) {
  const double scale = most / (norm + kTiny);
  if (scale < 1) at::_foreach_mul_(gradients, scale);
}

void add_clipped(std::vector<at::Tensor>& sums, std::vector<at::Tensor> gradients, double most,
                 double share) {
  clip_gradients(gradients, global_norm(gradients), most);
  if (sums.empty()) {
    for (const at::Tensor& gradient : gradients) sums.push_back(gradient * share);
  } else {
    at::_foreach_add_(sums, gradients, share);
  }
}

void check_finite(double loss, double norm, const std::vector<Weight>& weights,
                  const std::vector<at::Tensor>& gradients, int64_t step) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  std::string where;
  for (size_t i = 0; i < weights.size() && where.empty(); ++i) {
    if (!at::isfinite(weights[i].value).all().item<bool>()) {
      where = "the weight " + weights[i].name;
    } else if (!at::isfinite(gradients[i]).all().item<bool>()) {
      where = "the gradient of " + weights[i].name;
    }
  }
  throw Error(ErrorCode::kDiverged,
              "expected finite numbers in step " + std::to_string(step) + " but the loss is " +
                  std::to_string(loss) + " and the gradient's norm " + std::to_string(norm) +
                  (where.empty() ? "" : "; the first that is not finite is " + where));
}

}  // namespace torchsight
