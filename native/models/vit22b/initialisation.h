// Initialisation of big_vision's ViT (models/vit.py): kernels Xavier-uniform, all biases zero but
// those of the MLPs.
#pragma once

#include "nn/parameters.h"

namespace torchsight::vit22b {

inline constexpr Init kMlpBias = normal(1e-6);

}  // namespace torchsight::vit22b
