// A run of training: weights that move step by step, with the optimizer's state.
#pragma once

#include <memory>

#include "training/objective.h"

namespace torchsight {

/// A session with the methods `step` (a batch moves the weights), `evaluate` (the loss of a batch),
/// `exchange` (the weights against their moving averages, and back) and `state`; for losses that
/// are computed elsewhere `forward`, `backward` and `update`; with adapters `trained`, `adopt`,
/// `take_out` and `merge`. `options`: those of `TrainerOptions`, and `optimizer`. Its snapshot is
/// the state beside the weights themselves, which the module saves. While it is open the module's
/// weights stay in plain memory. Where the module is one rank of several (`RunRanks`) all ranks
/// make the same calls, ranks of one replica with the same batch; snapshots are whole, and the same
/// on all. Throws `Error(kBadConfig)`, and `Error(kUnsupported)` for what this module or objective
/// cannot do.
std::unique_ptr<Session> open_trainer(Module& module, std::unique_ptr<Objective> objective,
                                      const Json& options);

}  // namespace torchsight
