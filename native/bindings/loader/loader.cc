// The loader: a tiny addon that maps libtorch into the process by absolute path, so that the real
// addon finds it whatever the system's search paths are. Of libtorch's headers it knows only the
// version; which files to map and what to say about failures is decided in lib/native/load.ts.
#include <node_api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/loader/dynamic_library.h"

namespace torchsight {
namespace {

napi_value throw_error(napi_env env, const std::string& message) {
  napi_throw_error(env, "LIBTORCH", message.c_str());
  return nullptr;
}

bool read_string(napi_env env, napi_value value, std::string& text) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  text.resize(length);
  // Node-API also writes the terminating zero, which std::string has room for.
  return napi_get_value_string_utf8(env, value, text.data(), length + 1, &length) == napi_ok;
}

/// map(path: string): void. Throws with the system's own words where the file cannot be mapped.
napi_value map(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  std::string path;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      !read_string(env, argument, path)) {
    napi_throw_type_error(env, "BAD_INPUT", "expected a string for path");
    return nullptr;
  }
  const std::string problem = map_library(path);
  return problem.empty() ? nullptr : throw_error(env, problem);
}

/// abiVersion(): [major, minor, patch] | null. Null where no libtorch that tells it is mapped.
napi_value abi_version(napi_env env, napi_callback_info) {
  using AbiVersion = uint64_t (*)();
  napi_value result;
  const auto version = reinterpret_cast<AbiVersion>(find_symbol("aoti_torch_abi_version"));
  if (version == nullptr) {
    napi_get_null(env, &result);
    return result;
  }
  const uint64_t packed = version();
  napi_create_array_with_length(env, 3, &result);
  for (uint32_t i = 0; i < 3; ++i) {
    napi_value number;
    napi_create_uint32(env, static_cast<uint32_t>((packed >> (56 - 8 * i)) & 0xff), &number);
    napi_set_element(env, result, i, number);
  }
  return result;
}

napi_value initialize(napi_env env, napi_value exports) {
  napi_value built_for;
  napi_create_string_utf8(env, TORCHSIGHT_BUILT_FOR, NAPI_AUTO_LENGTH, &built_for);
  const napi_property_descriptor properties[] = {
      {"map", nullptr, map, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"abiVersion", nullptr, abi_version, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"builtFor", nullptr, nullptr, nullptr, nullptr, built_for, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(properties), properties);
  return exports;
}

}  // namespace
}  // namespace torchsight

NAPI_MODULE_INIT() {
  return torchsight::initialize(env, exports);
}
