// How the addon's functions are declared: one signature, exceptions translated in one place.
#pragma once

#include <napi.h>

#include <string>

#include "bindings/environment.h"

namespace torchsight {

using Function = napi_value (*)(Environment&, const Napi::CallbackInfo&);

/// Exports `function` under `name`. What it throws becomes a JavaScript error with a code.
void add_function(Napi::Env env, Napi::Object exports, const char* name, Function function);

/// A handle's number; anything else becomes 0, which no table gives.
inline double to_handle(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
}

inline std::string to_text(const Napi::Value& value) {
  return value.As<Napi::String>().Utf8Value();
}

void add_tensor_functions(Napi::Env env, Napi::Object exports);
void add_operator_functions(Napi::Env env, Napi::Object exports);
void add_job_functions(Napi::Env env, Napi::Object exports);
void add_file_functions(Napi::Env env, Napi::Object exports);
void add_module_functions(Napi::Env env, Napi::Object exports);
void add_system_functions(Napi::Env env, Napi::Object exports);

}  // namespace torchsight
