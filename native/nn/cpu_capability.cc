#include "nn/cpu_capability.h"

namespace torchsight {
namespace {

CpuCapability detect() {
#if defined(TORCHSIGHT_WIDE_KERNELS)
  const bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool widest = wide && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq");
  if (widest) return CpuCapability::kAvx512;
  if (wide) return CpuCapability::kAvx2;
#endif
  return CpuCapability::kDefault;
}

}  // namespace

CpuCapability cpu_capability() {
  static const CpuCapability capability = detect();
  return capability;
}

}  // namespace torchsight
