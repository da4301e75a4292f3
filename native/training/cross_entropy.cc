#include "training/cross_entropy.h"

#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>

#include "runtime/error.h"

namespace torchsight {
namespace {

[[noreturn]] void refuse(const at::Tensor& logits_BK, const at::Tensor& labels) {
  throw Error(ErrorCode::kShape, "expected labels that fit logits of shape " +
                                     c10::str(logits_BK.sizes()) + " but received shape " +
                                     c10::str(labels.sizes()));
}

}  // namespace

at::Tensor sigmoid_cross_entropy(const at::Tensor& logits_BK, const at::Tensor& labels_BK) {
  if (labels_BK.sizes() != logits_BK.sizes()) refuse(logits_BK, labels_BK);
  return at::binary_cross_entropy_with_logits(logits_BK, labels_BK).mul(logits_BK.size(1));
}

at::Tensor softmax_cross_entropy(const at::Tensor& logits_BK, const at::Tensor& labels) {
  const bool indices = labels.scalar_type() == at::kLong;
  if (labels.dim() != (indices ? 1 : 2) || labels.size(0) != logits_BK.size(0) ||
      (!indices && labels.size(1) != logits_BK.size(1))) {
    refuse(logits_BK, labels);
  }
  return at::cross_entropy_loss(logits_BK, labels);
}

}  // namespace torchsight
