#include "nn/product_kernels.h"

// The width that every CPU of the platform has: plain loops on x86-64, NEON on ARM.
#define CPU_CAPABILITY DEFAULT
#include "nn/product_kernels_impl.h"

namespace torchsight {

#if defined(TORCHSIGHT_WIDE_KERNELS)
const ProductKernels* avx2_product_kernels();
const ProductKernels* avx512_product_kernels();
#endif

const ProductKernels& product_kernels(CpuCapability capability) {
#if defined(TORCHSIGHT_WIDE_KERNELS)
  if (capability == CpuCapability::kAvx512) return *avx512_product_kernels();
  if (capability == CpuCapability::kAvx2) return *avx2_product_kernels();
#endif
  return DEFAULT::kProductKernels;
}

}  // namespace torchsight
