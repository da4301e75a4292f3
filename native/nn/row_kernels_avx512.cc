#if defined(CPU_CAPABILITY_AVX512)
#include "nn/row_kernels_impl.h"

namespace torchsight {

const RowKernels* avx512_row_kernels() {
  return &AVX512::kRowKernels;
}

}  // namespace torchsight
#endif
