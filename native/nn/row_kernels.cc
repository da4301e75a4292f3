#include "nn/row_kernels.h"

// The width that every CPU of the platform has: plain loops on x86-64, NEON on ARM.
#define CPU_CAPABILITY DEFAULT
#include "nn/row_kernels_impl.h"

namespace torchsight {

// As in native/CMakeLists.txt, which compiles row_kernels_avx*.cc for wider vectors.
#if defined(__x86_64__) && !defined(_MSC_VER)
#define TORCHSIGHT_WIDE_ROWS
const RowKernels* avx2_row_kernels();
const RowKernels* avx512_row_kernels();
#endif

const RowKernels& row_kernels() {
#if defined(TORCHSIGHT_WIDE_ROWS)
  static const bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  static const bool widest =
      wide && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (widest) return *avx512_row_kernels();
  if (wide) return *avx2_row_kernels();
#endif
  return DEFAULT::kRowKernels;
}

}  // namespace torchsight
