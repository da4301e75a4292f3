#include "runtime/driver.h"

#include <ATen/detail/CUDAHooksInterface.h>

#include <cstdlib>

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace torchsight {
namespace {

// CUresult, as cuda.h has them.
constexpr int kNoDevice = 100, kNotReady = 802, kMismatch = 803;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Driver this_driver() {
  Driver driver;
  driver.needed = static_cast<int>(at::detail::getCUDAHooks().versionCUDART());
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) driver.visible = visible;
#ifndef _WIN32
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return driver;
  driver.found = true;
  using Init = int (*)(unsigned);
  using Version = int (*)(int*);
  if (const auto init = reinterpret_cast<Init>(dlsym(library, "cuInit"))) driver.status = init(0);
  if (const auto ask = reinterpret_cast<Version>(dlsym(library, "cuDriverGetVersion"))) {
    ask(&driver.version);
  }
#endif
  return driver;
}

}  // namespace

Error no_card(const std::string& device, const Driver& driver) {
  const auto error = [&](const std::string& problem, const char* reason) {
    return Error(ErrorCode::kUnsupported,
                 "expected a card for the device " + device + " but " + problem, reason);
  };
  if (!driver.found) {
    return error(
        "there is no NVIDIA driver here (libcuda.so.1 cannot be opened): install it, or "
        "give the container access to the card",
        "NO_DRIVER");
  }
  // Within one major, newer libraries run on older drivers.
  if (driver.version / 1000 < driver.needed / 1000) {
    return error("the driver runs CUDA " + version_text(driver.version) +
                     " and this libtorch needs " + version_text(driver.needed) +
                     ": install a newer driver, or a libtorch for the older CUDA",
                 "OLD_DRIVER");
  }
  if (driver.status == kMismatch) {
    return error(
        "the driver's library does not fit its kernel module: restart the machine, or "
        "mount the host's libcuda.so.1 into the container",
        "DRIVER_MISMATCH");
  }
  if (driver.status == kNotReady) {
    return error("the machine's fabric is not ready: start NVIDIA's fabric manager",
                 "DRIVER_NOT_READY");
  }
  if (driver.status != 0 && driver.status != kNoDevice) {
    return error("the driver did not start (CUresult " + std::to_string(driver.status) +
                     "): see what `nvidia-smi` says",
                 "DRIVER_FAILED");
  }
  const std::string hidden =
      driver.visible.empty() ? "" : " (CUDA_VISIBLE_DEVICES is " + driver.visible + ")";
  return error("the driver shows none" + hidden + ": see what `nvidia-smi` says", "NO_CARD");
}

Error no_card(const std::string& device) {
  return no_card(device, this_driver());
}

}  // namespace torchsight
