// The kernel of few_rows_impl.h on a card.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/few_rows_impl.h"

namespace torchsight::few_rows {

/// Gives `product`, of 1 to `kMostRows` rows, to `stream`. The caller looks for errors of the
/// launch.
void launch(const Product<float>& product, cudaStream_t stream);
void launch(const Product<Bfloat16>& product, cudaStream_t stream);

}  // namespace torchsight::few_rows
