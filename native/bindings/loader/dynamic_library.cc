#include "bindings/loader/dynamic_library.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <mutex>
#include <vector>

namespace torchsight {
namespace {

// Worker threads of Node share the process, and so the libraries.
std::mutex mutex;
std::vector<void*>& mapped() {
  static auto* handles = new std::vector<void*>();
  return *handles;
}

#ifdef _WIN32

std::wstring widen(const std::string& text) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), nullptr, 0);
  std::wstring wide(length, L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), int(text.size()), wide.data(), length);
  return wide;
}

void* open_library(const std::string& path, std::string& problem) {
  const std::wstring wide = widen(path);
  // libtorch's own dependencies lie beside it.
  AddDllDirectory(wide.substr(0, wide.find_last_of(L"\\/")).c_str());
  void* handle = LoadLibraryExW(
      wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR);
  if (handle == nullptr) {
    problem = path + ": Windows error " + std::to_string(GetLastError());
  }
  return handle;
}

void* symbol_of(void* handle, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle), name));
}

#else

void* open_library(const std::string& path, std::string& problem) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) problem = dlerror();
  return handle;
}

void* symbol_of(void* handle, const char* name) {
  return dlsym(handle, name);
}

#endif

}  // namespace

std::string map_library(const std::string& path) {
  std::string problem;
  void* handle = open_library(path, problem);
  if (handle != nullptr) {
    const std::lock_guard lock(mutex);
    mapped().push_back(handle);
  }
  return problem;
}

void* find_symbol(const char* name) {
  const std::lock_guard lock(mutex);
  for (void* handle : mapped()) {
    if (void* symbol = symbol_of(handle, name)) return symbol;
  }
  return nullptr;
}

}  // namespace torchsight
