#include "nn/row_kernels.h"

// The width that every CPU of the platform has: plain loops on x86-64, NEON on ARM.
#define CPU_CAPABILITY DEFAULT
#include "nn/row_kernels_impl.h"

namespace torchsight {

// As in native/CMakeLists.txt, which compiles row_kernels_avx2.cc for wider vectors.
#if defined(__x86_64__) && !defined(_MSC_VER)
#define TORCHSIGHT_WIDE_ROWS
const RowKernels* avx2_row_kernels();
#endif

const RowKernels& row_kernels() {
#if defined(TORCHSIGHT_WIDE_ROWS)
  static const bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wide) return *avx2_row_kernels();
#endif
  return DEFAULT::kRowKernels;
}

}  // namespace torchsight
