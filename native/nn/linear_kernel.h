// Which of libtorch's matrix products is fastest here: none is everywhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/activation.h"

namespace torchsight {

/// How a weight [out, in] lies in memory.
enum class LinearKernel {
  kPlain,    // as the checkpoint has it
  kTurned,   // [in, out], contiguous
  kBlocked,  // oneDNN's own layout, with bias and activation inside the product
};

/// One product of a step, as far as its speed goes.
struct LinearShape {
  int64_t out;
  int64_t in;
  Activation activation = Activation::kNone;
};

/// Whether layout can matter at all, and may be chosen by a race: large float32 products on a CPU,
/// but for computation that is to be `Steady`.
bool worth_choosing(int64_t rows, int64_t weights, const at::TensorOptions& options);

/// The kernel under which all of `shapes` together are fastest for `rows` rows. Races the kernels
/// on scratch data the first time a process asks (under a second for a ViT-L), on the threads of
/// the caller; the answer is kept for the process.
LinearKernel choose_linear_kernel(int64_t rows, const std::vector<LinearShape>& shapes);

}  // namespace torchsight
