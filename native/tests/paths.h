// Where tests find what they need. The build tells one source file of it only, so that all others
// compile alike in any folder, and a compiler's cache serves every clone.
#pragma once

#include <filesystem>

namespace torchsight::test {

/// test/fixtures.
std::filesystem::path fixtures();
/// The folder of libtorch's libraries.
std::filesystem::path libraries();
/// The executable of isolated models; empty where none is built.
std::filesystem::path worker();

}  // namespace torchsight::test
