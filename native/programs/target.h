// Whether compiled code can run here at all: asked before it is mapped, since code for another
// machine is not refused by the system but ends the process.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace torchsight {

/// What the exporter wrote down of its machine, and what the package's author added.
using ProgramMetadata = std::map<std::string, std::string, std::less<>>;

/// Throws `Error(kUnsupported)` with the reason OTHER_MACHINE, OTHER_CPU or NO_DEVICE where the
/// model `name` was compiled for another system, for instructions that this processor lacks, or for
/// a device that this libtorch does not know; `Error(kBadCheckpoint)` where the device is not told.
void check_target(const ProgramMetadata& metadata, const std::string& name);

/// Throws `Error(kUnsupported)` with the reason OTHER_MACHINE, for code `name` that was compiled
/// for what `received` says.
[[noreturn]] void refuse_machine(const std::string& name, const std::string& received);

/// "export it again with PyTorch 2.13"
std::string export_again();

/// Whether that version of PyTorch, e.g. "2.13.0+cpu", is of the minor that this was built for.
bool is_our_version(std::string_view version);

}  // namespace torchsight
