// The way to a module, wherever it is to live.
#pragma once

#include <memory>

#include "runtime/loader.h"

namespace torchsight {

/// Loads the module in this process, or in workers where the request wants that. Throws
/// `Error(kUnsupported)` for the latter on Windows.
std::shared_ptr<Module> load_module(LoadRequest request, JobContext& context);

}  // namespace torchsight
