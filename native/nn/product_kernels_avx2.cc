#if defined(CPU_CAPABILITY_AVX2)
#include "nn/product_kernels_impl.h"

namespace torchsight {

const ProductKernels* avx2_product_kernels() {
  return &AVX2::kProductKernels;
}

}  // namespace torchsight
#endif
