// Mapping shared libraries so that their symbols serve what is loaded later.
#pragma once

#include <string>

namespace torchsight {

/// Maps the library at the absolute `path` for the rest of the process's life.
/// Returns the system's description of the problem, or an empty string.
std::string map_library(const std::string& path);

/// A symbol of one of the libraries mapped so far, or null.
void* find_symbol(const char* name);

}  // namespace torchsight
