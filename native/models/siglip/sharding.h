// What is cut where when ranks compute one SigLIP together.
#pragma once

#include "models/siglip/config.h"
#include "runtime/module.h"

namespace torchsight::siglip {

/// The layers of both towers are cut as `EncoderLayer` says, in the layout that was asked for;
/// embeddings, pooling head, projection, scale and bias are whole on every rank. Throws
/// `Error(kBadConfig)` naming the tower where heads or hidden units do not divide by the ranks.
void check_sharding(const Config& config, const ModuleOptions& options);

}  // namespace torchsight::siglip
