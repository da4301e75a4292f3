#include "runtime/cuda_parts.h"

#include <torch/headeronly/version.h>

#include <cstdio>
#include <mutex>
#include <string_view>

#include "runtime/accelerator.h"

#ifndef _WIN32
#include <dlfcn.h>
#endif

namespace torchsight {
namespace {

std::mutex mutex;
std::filesystem::path parts_folder;  // empty: beside what holds this code
bool opened = false;
const CudaParts* parts = nullptr;

#ifndef _WIN32

const CudaParts* refuse(const std::filesystem::path& file, const std::string& why) {
  std::fprintf(stderr, "torchsight: %s cannot be used: %s\n", file.c_str(), why.c_str());
  return nullptr;
}

std::filesystem::path own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&cuda_parts), &info)) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

const CudaParts* open(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nullptr;
  map_gpu_parts();
  // Without libtorch_cuda in the process it has nothing to stand on.
  if (at::getAccelerator() != at::kCUDA) return nullptr;
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return refuse(file, dlerror());
  const auto entry =
      reinterpret_cast<const CudaParts* (*)()>(dlsym(library, "torchsight_cuda_parts"));
  if (!entry) return refuse(file, "it has no entry");
  const CudaParts* const found = entry();
  if (found->version != CudaParts::kVersion || std::string_view(found->libtorch) != TORCH_VERSION) {
    return refuse(file, std::string("it was built for libtorch ") + found->libtorch);
  }
  return found;
}

#else

std::filesystem::path own_folder() {
  return {};
}

const CudaParts* open(const std::filesystem::path&) {
  return nullptr;  // there is no NCCL for Windows
}

#endif

}  // namespace

void set_cuda_parts_folder(std::filesystem::path folder) {
  const std::lock_guard lock(mutex);
  parts_folder = std::move(folder);
}

const CudaParts* cuda_parts() {
  const std::lock_guard lock(mutex);
  if (!std::exchange(opened, true)) {
    parts = open((parts_folder.empty() ? own_folder() : parts_folder) / "torchsight_cuda.so");
  }
  return parts;
}

}  // namespace torchsight
