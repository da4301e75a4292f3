#include "runtime/tensors.h"

#include <ATen/core/Tensor.h>

#include <array>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr std::array<std::pair<at::ScalarType, std::string_view>, 11> kDtypes{{
    {at::kFloat, "float32"},
    {at::kDouble, "float64"},
    {at::kHalf, "float16"},
    {at::kBFloat16, "bfloat16"},
    {at::kChar, "int8"},
    {at::kByte, "uint8"},
    {at::kShort, "int16"},
    {at::kInt, "int32"},
    {at::kLong, "int64"},
    {at::kBool, "bool"},
    {at::kComplexFloat, "complex64"},
}};

std::string known_names() {
  std::string names;
  for (const auto& [dtype, name] : kDtypes) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace

const at::Tensor* find_tensor(const NamedTensors& tensors, std::string_view name) noexcept {
  for (const auto& [known, tensor] : tensors) {
    if (known == name) return &tensor;
  }
  return nullptr;
}

int64_t bytes_of(const NamedTensors& tensors) noexcept {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.defined()) bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

std::string_view dtype_name(at::ScalarType dtype) {
  for (const auto& [known, name] : kDtypes) {
    if (known == dtype) return name;
  }
  throw Error(ErrorCode::kDtype, "expected one of " + known_names() + " for dtype but received " +
                                     c10::toString(dtype));
}

at::ScalarType dtype_from_name(std::string_view name) {
  for (const auto& [dtype, known] : kDtypes) {
    if (known == name) return dtype;
  }
  throw Error(ErrorCode::kDtype, "expected one of " + known_names() + " for dtype but received \"" +
                                     std::string(name) + "\"");
}

}  // namespace torchsight
