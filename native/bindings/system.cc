#include "bindings/functions.h"

#include <torch/headeronly/version.h>

#include "remote/worker_process.h"
#include "runtime/accelerator.h"
#include "runtime/cuda_parts.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace torchsight {
namespace {

napi_value initialize(Environment& environment, const Napi::CallbackInfo& info) {
  environment.listener = Napi::Persistent(info[0].As<Napi::Object>());
#ifndef _WIN32
  set_worker_paths({to_text(info[1]), to_text(info[2])});
#endif
  return info.Env().Undefined();
}

napi_value versions(Environment&, const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("addon", TORCHSIGHT_VERSION);
  result.Set("libtorch", TORCH_VERSION);
  const CudaParts* const parts = cuda_parts();
  result.Set("cuda", parts ? Napi::Value(Napi::String::New(info.Env(), parts->built_with))
                           : info.Env().Null());
  return result;
}

napi_value devices(Environment&, const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
  const auto add = [&](at::Device device, int64_t memory, const std::string& model) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", device.str());
    entry.Set("memory", static_cast<double>(memory));
    if (!model.empty()) entry.Set("model", model);
    result.Set(result.Length(), entry);
  };
  add(at::kCPU, host_memory(), "");
  for (const at::Device device : accelerators()) {
    // Asking libtorch instead would take a few hundred MB of each card.
    if (device.is_cuda() && cuda_parts()) {
      const CudaParts::Card card = cuda_parts()->card(device.index());
      add(device, card.memory, card.name);
    } else {
      add(device, device_memory(device).total, "");
    }
  }
  return result;
}

napi_value release_cache(Environment&, const Napi::CallbackInfo& info) {
  if (!info[0].IsUndefined()) {
    empty_cache(require_device(device_from_name(to_text(info[0]))));
  } else {
    empty_cache();
    for (const at::Device device : accelerators()) empty_cache(device);
  }
  return info.Env().Undefined();
}

napi_value check_device(Environment&, const Napi::CallbackInfo& info) {
  require_device(device_from_name(to_text(info[0])));
  return info.Env().Undefined();
}

napi_value device_stats(Environment&, const Napi::CallbackInfo& info) {
  const DeviceMemory now = device_memory(require_device(device_from_name(to_text(info[0]))));
  Napi::Object result = Napi::Object::New(info.Env());
  const std::pair<const char*, int64_t> fields[] = {
      {"allocated", now.allocated}, {"reserved", now.reserved}, {"peak", now.peak},
      {"free", now.free},           {"total", now.total},
  };
  for (const auto& [name, value] : fields) result.Set(name, static_cast<double>(value));
  return result;
}

napi_value memory(Environment&, const Napi::CallbackInfo& info) {
  const MemoryStats now = memory_stats();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("live", static_cast<double>(now.live));
  result.Set("peak", static_cast<double>(now.peak));
  result.Set("cached", static_cast<double>(now.cached));
  return result;
}

napi_value set_threads(Environment&, const Napi::CallbackInfo& info) {
  const double threads = info[0].As<Napi::Number>().DoubleValue();
  if (!(threads >= 1 && threads <= 4096)) {
    throw Error(ErrorCode::kBadInput, "expected 1 to 4096 for threads");
  }
  set_intraop_threads(static_cast<int>(threads));
  return info.Env().Undefined();
}

napi_value threads(Environment&, const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), intraop_threads());
}

}  // namespace

void add_system_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "initialize", initialize);
  add_function(env, exports, "versions", versions);
  add_function(env, exports, "devices", devices);
  add_function(env, exports, "emptyCache", release_cache);
  add_function(env, exports, "requireDevice", check_device);
  add_function(env, exports, "deviceMemory", device_stats);
  add_function(env, exports, "memory", memory);
  add_function(env, exports, "setThreads", set_threads);
  add_function(env, exports, "threads", threads);
}

}  // namespace torchsight
