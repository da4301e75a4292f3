#include "nn/row_kernels.h"

// The width that every CPU of the platform has: plain loops on x86-64, NEON on ARM.
#define CPU_CAPABILITY DEFAULT
#include "nn/row_kernels_impl.h"

namespace torchsight {

#if defined(TORCHSIGHT_WIDE_KERNELS)
const RowKernels* avx2_row_kernels();
const RowKernels* avx512_row_kernels();
#endif

const RowKernels& row_kernels(CpuCapability capability) {
#if defined(TORCHSIGHT_WIDE_KERNELS)
  if (capability == CpuCapability::kAvx512) return *avx512_row_kernels();
  if (capability == CpuCapability::kAvx2) return *avx2_row_kernels();
#endif
  return DEFAULT::kRowKernels;
}

}  // namespace torchsight
