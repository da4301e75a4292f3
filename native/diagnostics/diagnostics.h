// A module that computes next to nothing: it shows that jobs, streams, sessions, workers,
// collectives and trainers do what they promise on the machine at hand.
#pragma once

#include <memory>

#include "runtime/module.h"

namespace torchsight {

/// `model_type: torchsight_diagnostics`. Fields: `size`, the length of its one parameter (default
/// 16); `allow_abort`, whether the method `abort` may end the process (default false).
std::unique_ptr<Module> make_diagnostics(const Json& config, const ModuleOptions& options);

}  // namespace torchsight
