// Tensors by name, in order: the inputs and outputs of every method.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchsight {

using NamedTensor = std::pair<std::string, at::Tensor>;
using NamedTensors = std::vector<NamedTensor>;

/// The tensor of that name, or null.
const at::Tensor* find_tensor(const NamedTensors& tensors, std::string_view name) noexcept;

/// Bytes that the tensors' elements take, views counted in full.
int64_t bytes_of(const NamedTensors& tensors) noexcept;

/// "float32" for `at::kFloat`, and so on for every dtype that crosses the boundary.
std::string_view dtype_name(at::ScalarType dtype);
/// The inverse; throws `Error(kDtype)` for an unknown name.
at::ScalarType dtype_from_name(std::string_view name);

}  // namespace torchsight
