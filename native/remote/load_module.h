// The way to a module, wherever it is to live.
#pragma once

#include <memory>

#include "runtime/loader.h"

namespace torchsight {

/// Loads the module in this process, or in workers where the request wants that. Throws
/// `Error(kUnsupported)` for the latter on Windows.
std::shared_ptr<Module> load_module(LoadRequest request, JobContext& context);

/// Threads that each rank of a request computes with: what it wants, or an equal share of this
/// process's, since all ranks of all replicas compute at the same time.
int64_t threads_of_rank(const Json& request);

}  // namespace torchsight
