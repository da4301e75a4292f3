// The header of a safetensors file: JSON from anywhere, checked before any data is touched.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/tensor_info.h"

namespace torchsight {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// The largest header that is read, as in the reference implementation.
constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
/// Room that the JSON parser wants behind the text; reserve it to save a copy.
constexpr size_t kJsonPadding = 64;

/// Parses the JSON `text` of the file called `what`, whose data section has `data_bytes` bytes.
/// Every refusal is an `Error(kBadCheckpoint)` with a reason of its own. The checks and their
/// order are those of the reference implementation (safetensors 0.8, tensor.rs), leading white
/// space included, and these are stricter, each by name:
///   DUPLICATE_KEY        the same key twice in any object (the reference keeps the last tensor)
///   BAD_ENTRY            a tensor described by an array in place of an object
///   UNKNOWN_DTYPE        a dtype written as {"F32": null} in place of "F32"
///   RANK_TOO_LARGE       more than 64 dimensions, which libtorch's kernels do not take
///   DIMENSION_TOO_LARGE  a size above 2^63-1, only possible in tensors without elements
SafetensorsHeader parse_safetensors_header(std::string text, uint64_t data_bytes,
                                           std::string_view what);

/// Sorts tensors by their data and checks them against each other and the size of the data: the
/// part of the checks that comes after the JSON.
void arrange_safetensors(std::vector<TensorInfo>& tensors, uint64_t data_bytes,
                         std::string_view what);

/// The format's token of that text, in static storage, or an empty text.
std::string_view safetensors_dtype(std::string_view token) noexcept;

/// The dtype tokens of the format, in the reference's order: data is written by it, last first.
const std::vector<std::string_view>& safetensors_dtypes();

}  // namespace torchsight
