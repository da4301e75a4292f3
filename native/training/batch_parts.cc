#include "training/batch_parts.h"

#include <ATen/core/Tensor.h>

#include "runtime/error.h"

namespace torchsight {

int64_t size_of_batch(const Call& call, const std::vector<TensorSpec>& inputs) {
  for (const TensorSpec& input : inputs) {
    const at::Tensor* tensor = find_tensor(call.inputs, input.name);
    if (tensor && tensor->dim() > 0) return tensor->size(0);
  }
  throw Error(ErrorCode::kBadInput, "expected tensors of a batch but received none");
}

std::vector<Call> parts_of(const Call& call, const std::vector<TensorSpec>& inputs, int64_t count) {
  std::vector<Call> parts;
  const int64_t batch = size_of_batch(call, inputs);
  if (batch < count) {
    throw Error(ErrorCode::kShape, "expected a batch of at least " + std::to_string(count) +
                                       " (accumulate) but received " + std::to_string(batch));
  }
  if (count == 1) return {call};
  for (const TensorSpec& input : inputs) {
    const at::Tensor* whole = find_tensor(call.inputs, input.name);
    if (!whole || (whole->dim() > 0 && whole->size(0) == batch)) continue;
    throw Error(ErrorCode::kShape, "expected " + std::to_string(batch) + " entries for " +
                                       input.name + " but received " +
                                       std::to_string(whole->dim() > 0 ? whole->size(0) : 1));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = batch * i / count, end = batch * (i + 1) / count;
    Call part;
    part.options = call.options;
    part.recompute = call.recompute;
    part.stream = call.stream + begin;
    for (const TensorSpec& input : inputs) {
      const at::Tensor* whole = find_tensor(call.inputs, input.name);
      if (whole) part.inputs.emplace_back(input.name, whole->narrow(0, begin, end - begin));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace torchsight
