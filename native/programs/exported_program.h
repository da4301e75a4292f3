// What an exported program, saved beside its compiled form, tells of a call: `models/NAME.json` of
// a package made by `torch.export.pt2_archive.package_pt2`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "programs/call_spec.h"
#include "runtime/schema.h"

namespace torchsight {

struct ExportedProgram {
  std::string torch_version;            // that it was exported with, e.g. "2.13.0+cpu"
  std::vector<std::string> positional;  // names of the arguments of `forward`
  TupleFields tuples;
  std::vector<bool> takes_tensor;  // of the leaves of the arguments
  /// The leaves of the results, without names. Those that are no tensors are optional, of any
  /// dtype.
  std::vector<TensorSpec> outputs;
};

/// Reads the text of a file of that name; empty text tells nothing. Throws `Error(kBadCheckpoint)`
/// with the reason EXPORTED_PROGRAM for other text, and `Error(kUnsupported)` with the reason
/// OTHER_LIBTORCH where it was exported with another minor of PyTorch than this is built for.
ExportedProgram read_exported_program(std::string_view text, const std::string& name);

}  // namespace torchsight
