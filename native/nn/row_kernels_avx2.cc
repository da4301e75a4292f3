#if defined(CPU_CAPABILITY_AVX2)
#include "nn/row_kernels_impl.h"

namespace torchsight {

const RowKernels* avx2_row_kernels() {
  return &AVX2::kRowKernels;
}

}  // namespace torchsight
#endif
