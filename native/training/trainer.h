// A run of training: weights that move step by step, with the optimizer's state.
#pragma once

#include <memory>

#include "training/objective.h"

namespace torchsight {

/// A session with the methods `step` (a batch moves the weights), `evaluate` (the loss of a batch),
/// `exchange` (the weights against their moving averages, and back) and `state`. `options`:
/// `{optimizer, schedule, groups, clip, accumulate, ema, autocast}`. Its snapshot is the
/// state beside the weights themselves, which the module saves. While it is open the module's
/// weights stay in plain memory. Throws `Error(kBadConfig)`.
std::unique_ptr<Session> open_trainer(Module& module, std::unique_ptr<Objective> objective,
                                      const Json& options);

}  // namespace torchsight
