// What a rank of a sharded model holds, computes and sends, without computing or holding it.
#pragma once

#include "runtime/module.h"

namespace torchsight {

/// Runs one method of a model on the meta device, as one rank of many. `request`: `{config, dtype,
/// extra, ranks, rank, method, inputs: [{name, dtype, shape, host}]}`, `host` for numbers that are
/// read on the CPU, and are zeros there. Gives `{parameters,
/// parameterBytes, traffic: {kind: {calls, bytes}}}` of that rank. Throws what making and calling
/// the model throws.
Json dry_run(const Json& request);

}  // namespace torchsight
