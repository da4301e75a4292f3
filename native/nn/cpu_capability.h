// The widths of vectors that kernels are compiled for, see native/CMakeLists.txt.
#pragma once

namespace torchsight {

/// In ascending order: a CPU that runs one runs those before it.
enum class CpuCapability { kDefault, kAvx2, kAvx512 };

/// The widest that this CPU runs.
CpuCapability cpu_capability();

}  // namespace torchsight

// As in native/CMakeLists.txt, which compiles nn/*_avx2.cc and nn/*_avx512.cc for wider vectors.
#if defined(__x86_64__) && !defined(_MSC_VER)
#define TORCHSIGHT_WIDE_KERNELS
#endif
