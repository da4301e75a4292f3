// The addon's entry. Its surface is typed in lib/native/addon.ts.
#include "bindings/functions.h"
#include "runtime/memory.h"

namespace torchsight {

void add_function(Napi::Env env, Napi::Object exports, const char* name, Function function) {
  exports.Set(name, Napi::Function::New(
                        env,
                        [function](const Napi::CallbackInfo& info) {
                          napi_env env = info.Env();
                          return Napi::Value(env, guarded(env, [&] {
                                               return function(Environment::of(env), info);
                                             }));
                        },
                        name));
}

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  install_allocator();
  Lane::drain_at_exit();
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  env.AddCleanupHook([environment] { environment->shut_down(); });
  add_tensor_functions(env, exports);
  add_operator_functions(env, exports);
  add_job_functions(env, exports);
  add_file_functions(env, exports);
  add_module_functions(env, exports);
  add_system_functions(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(torchsight_core, initialize)

}  // namespace torchsight
