// The tensors of a call as compiled code relies on them.
#include <ATen/ATen.h>

#include "programs/signature.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// Compiled code for GPUs may rely on addresses that are multiples of this many bytes.
constexpr uintptr_t kAlignment = 16;

std::vector<int64_t> strides_of(const std::string& name, const InputCheck& check,
                                const Extent::Symbols& symbols) {
  std::vector<int64_t> strides;
  for (const Extent& stride : check.strides) {
    const std::optional<int64_t> value = stride.value(symbols);
    if (!value || *value < 0) {
      throw Error(ErrorCode::kShape, "expected sizes for which the stride " + stride.text() +
                                         " of " + name + " has a value");
    }
    strides.push_back(*value);
  }
  return strides;
}

at::Tensor laid_out(const at::Tensor& given, const std::vector<int64_t>& strides,
                    at::Device device) {
  const at::Tensor tensor = given.detach().to(device).resolve_conj().resolve_neg();
  const bool aligned = reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % kAlignment == 0;
  if (aligned && tensor.strides() == at::IntArrayRef(strides)) return tensor;
  return at::empty_strided(tensor.sizes(), strides, tensor.options()).copy_(tensor);
}

}  // namespace

void Signature::check_sizes(const Input& input, const at::Tensor& tensor,
                            const Extent::Symbols& symbols) const {
  const auto refuse = [&](size_t dim, const std::string& expected) {
    throw Error(ErrorCode::kShape, "expected " + expected + " for dimension " +
                                       std::to_string(dim) + " of " + input.name +
                                       " but received " + std::to_string(tensor.size(dim)));
  };
  const auto& dimensions = input.check.dimensions;
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const auto& [size, least, most] = dimensions[i];
    const int64_t received = tensor.size(static_cast<int64_t>(i));
    const std::optional<int64_t> computed = size.value(symbols);
    if (!computed) refuse(i, "a value of " + size.text());
    if (*computed != received) refuse(i, std::to_string(*computed) + " (" + size.text() + ")");
    // What is computed of others is bounded by them.
    if (!size.is_symbol()) continue;
    if (received < least) refuse(i, "at least " + std::to_string(least));
    if (most && received > *most) refuse(i, "at most " + std::to_string(*most));
  }
}

std::vector<at::Tensor> Signature::arranged(const NamedTensors& given, at::Device device) const {
  Extent::Symbols symbols;
  std::vector<const at::Tensor*> tensors;
  for (const auto& [name, check] : inputs_) {
    const at::Tensor* tensor = find_tensor(given, name);
    if (!tensor) throw Error(ErrorCode::kInternal, "expected a tensor for " + name);
    tensors.push_back(tensor);
    for (size_t i = 0; i < check.dimensions.size(); ++i) {
      const Extent& size = check.dimensions[i].size;
      if (size.is_symbol()) symbols.emplace(size.text(), tensor->size(static_cast<int64_t>(i)));
    }
  }
  std::vector<at::Tensor> arranged;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const InputCheck& check = inputs_[i].check;
    check_sizes(inputs_[i], *tensors[i], symbols);
    const auto strides = strides_of(inputs_[i].name, check, symbols);
    arranged.push_back(laid_out(*tensors[i], strides, check.on_cpu ? at::kCPU : device));
  }
  return arranged;
}

}  // namespace torchsight
