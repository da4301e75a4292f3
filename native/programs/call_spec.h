// Names for the tensors of a call, from the trees in which a Python function takes and gives them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace torchsight {

/// Fields of named tuples by the names they were registered under.
using TupleFields = std::map<std::string, std::vector<std::string>, std::less<>>;

/// The leaves of what a function takes, `((positional, …), {keyword: …})`, in the order of a call.
/// A keyword gives its name, a positional argument `positional[i]` or else `input_i`; what is
/// nested adds its key: `input_1.mask`, `states.0`. `spec` is PyTorch's text of the tree. Throws
/// `Error(kBadCheckpoint)` where it is not one.
std::vector<std::string> input_names(std::string_view spec,
                                     const std::vector<std::string>& positional,
                                     const TupleFields& fields);

/// The leaves of what a function gives: keys of a dict, `output_i` of a tuple or a list, `output`
/// where a tensor stands alone.
std::vector<std::string> output_names(std::string_view spec, const TupleFields& fields);

}  // namespace torchsight
