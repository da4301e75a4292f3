// What a compiled model expects of its inputs, read off its own source. A package tells dtypes,
// shapes and strides nowhere else: PyTorch writes functions that check them next to the code that
// relies on them, and leaves them off unless an environment variable of the process is set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "programs/extent.h"

namespace torchsight {

/// A dimension of an input, and where its size may lie.
struct Dimension {
  Extent size;  // without text where nothing tells it
  int64_t least = 1;
  std::optional<int64_t> most;
};

struct InputCheck {
  std::string dtype;  // as PyTorch names it, e.g. "float32"; empty where the source has no check
  std::vector<Dimension> dimensions;
  std::vector<Extent> strides;  // in elements; empty where not all of them are told
  bool on_cpu = true;
};

/// Reads the checks of every input, in the order of the call, from the text of `*.wrapper.cpp`.
/// Text that is not one has no inputs.
std::vector<InputCheck> read_input_checks(std::string_view source);

/// What of an input these checks leave open, so that compiled code could read beyond its end; empty
/// where that is nothing. A size or a stride must be a number or computed of symbols, each of which
/// is the size of a dimension of one of `all` inputs.
std::string unchecked_part(const InputCheck& check, const std::vector<InputCheck>& all);

}  // namespace torchsight
