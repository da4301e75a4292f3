// What the diagnostics are trained for: as little computation as a step can have.
#pragma once

#include <memory>

#include "training/objective.h"

namespace torchsight {

/// The mean square of what the method `scale` of `module` gives, [N], less `target`, [N].
std::unique_ptr<Objective> fitting(Module& module);

}  // namespace torchsight
