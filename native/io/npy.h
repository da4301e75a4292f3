// The header of a npy array: a Python literal from anywhere.
#pragma once

#include <string_view>

#include "io/tensor_info.h"

namespace torchsight {

/// The largest header that is read, far above what NumPy writes.
constexpr uint64_t kMaxNpyHeader = uint64_t{1} << 20;
/// Bytes that have to be at hand to know how long a header is.
constexpr uint64_t kNpyPrefix = 12;

/// How many bytes come before the array's data, told by the first `kNpyPrefix` bytes or fewer.
/// Throws `Error(kBadCheckpoint)` for anything but formats 1 to 3.
uint64_t npy_header_bytes(std::string_view prefix, std::string_view what);

/// Reads a header of `npy_header_bytes` bytes of the array `name`, whose data section has
/// `data_bytes` bytes. `begin` and `end` of the result count from the start of the header.
/// Structured, big-endian and Python-object arrays are refused. "|V2", which NumPy writes for
/// bfloat16, is taken as such.
TensorInfo parse_npy_header(std::string_view header, std::string name, uint64_t data_bytes,
                            std::string_view what);

}  // namespace torchsight
