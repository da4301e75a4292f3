// The headers of shared libraries, looked at before the system maps one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace torchsight {

/// Bytes of a library that its headers lie in.
constexpr uint64_t kLibraryHeaders = 4096;

/// Throws `Error(kUnsupported)` with the reason OTHER_MACHINE for a library of another system or
/// processor, and `Error(kBadCheckpoint)` with the reason NOT_A_LIBRARY for other bytes and for one
/// that is shorter than its headers say: reading beyond its end would end the process. `beginning`
/// holds the first `kLibraryHeaders` bytes of its `size`, or all of them.
void check_library(std::string_view beginning, uint64_t size, const std::string& name);

}  // namespace torchsight
