#include "bindings/functions.h"

#include <torch/headeronly/version.h>

#include "remote/worker_process.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace torchsight {
namespace {

napi_value initialize(Environment& environment, const Napi::CallbackInfo& info) {
  environment.listener = Napi::Persistent(info[0].As<Napi::Object>());
#ifndef _WIN32
  set_worker_paths(
      {info[1].As<Napi::String>().Utf8Value(), info[2].As<Napi::String>().Utf8Value()});
#endif
  return info.Env().Undefined();
}

napi_value versions(Environment&, const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("addon", TORCHSIGHT_VERSION);
  result.Set("libtorch", TORCH_VERSION);
  return result;
}

napi_value devices(Environment&, const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
  Napi::Object cpu = Napi::Object::New(info.Env());
  cpu.Set("name", "cpu");
  cpu.Set("memory", static_cast<double>(host_memory()));
  result.Set(0u, cpu);
  return result;
}

napi_value release_cache(Environment&, const Napi::CallbackInfo& info) {
  empty_cache();
  return info.Env().Undefined();
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
  add_function(env, exports, "memory", memory);
  add_function(env, exports, "setThreads", set_threads);
  add_function(env, exports, "threads", threads);
}

}  // namespace torchsight
