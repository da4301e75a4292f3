#if defined(CPU_CAPABILITY_AVX512)
#include "nn/product_kernels_impl.h"

namespace torchsight {

const ProductKernels* avx512_product_kernels() {
  return &AVX512::kProductKernels;
}

}  // namespace torchsight
#endif
