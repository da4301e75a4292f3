#include "bindings/functions.h"

namespace torchsight {
namespace {

napi_value types(Environment&, const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = model_types();
  Napi::Array result = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); ++i) result.Set(i, names[i]);
  return result;
}

// On the meta device, so that the largest models can be described anywhere.
napi_value describe_model(Environment&, const Napi::CallbackInfo& info) {
  ModuleOptions options;
  options.device = at::kMeta;
  const Json config = Json::parse(info[0].As<Napi::String>().Utf8Value(), "config");
  return Napi::String::New(info.Env(), make_module(config, options)->describe().dump());
}

}  // namespace

void add_module_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "modelTypes", types);
  add_function(env, exports, "describeModel", describe_model);
}

}  // namespace torchsight
