// A module that computes nothing: it shows that jobs, streams, sessions, workers and collectives
// do what they promise on the machine at hand.
#pragma once

#include <memory>

#include "runtime/module.h"

namespace torchsight {

/// `model_type: torchsight_diagnostics`. Fields: `size`, the length of its one parameter (default
/// 16); `allow_abort`, whether the method `abort` may end the process (default false).
std::unique_ptr<Module> make_diagnostics(const Json& config, const ModuleOptions& options);

}  // namespace torchsight
