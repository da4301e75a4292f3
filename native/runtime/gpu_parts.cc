// Where libtorch keeps what drives a GPU, and how it comes into the process.
#include <ATen/DeviceAccelerator.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string_view>

#include "runtime/accelerator.h"

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace torchsight {

#ifdef _WIN32

// The loader has mapped them; there is no worker on Windows.
void map_gpu_parts() {}

#else
namespace {

#ifdef __APPLE__
constexpr const char* kEnding = ".dylib";
#else
constexpr const char* kEnding = ".so";
#endif

// The folder that libtorch_cpu was mapped from.
std::filesystem::path libtorch_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&at::accelerator::deviceCount), &info)) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

bool map(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return false;
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL)) return true;
  std::fprintf(stderr, "torchsight: the GPU cannot be used: %s\n", dlerror());
  return false;
}

}  // namespace

void map_gpu_parts() {
  static std::once_flag once;
  std::call_once(once, [] {
    const char* const wanted = std::getenv("TORCHSIGHT_DEVICE");
    if (wanted && std::string_view(wanted) == "cpu") return;
    const std::filesystem::path folder = libtorch_folder();
    for (const std::string kind : {"cuda", "hip"}) {
      if (map(folder / ("libc10_" + kind + kEnding)) &&
          map(folder / ("libtorch_" + kind + kEnding))) {
        return;
      }
    }
  });
}

#endif

}  // namespace torchsight
