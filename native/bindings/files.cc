#include "bindings/functions.h"

#include <algorithm>

#include "io/checkpoint.h"
#include "runtime/borrow.h"

namespace torchsight {
namespace {

napi_value inspect(Environment&, const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), Checkpoint::open(to_text(info[0])).inspect().dump());
}

napi_value submit_read(Environment& environment, const Napi::CallbackInfo& info) {
  std::vector<std::string> names;
  const auto wanted = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < wanted.Length(); ++i) names.push_back(to_text(wanted.Get(i)));
  auto tensors = std::make_shared<NamedTensors>();
  JobSpec spec = environment.job_spec(info[2]);
  spec.work = [path = to_text(info[0]), names, tensors](JobContext& context) {
    const auto file = open_tensor_file(path);
    for (const TensorInfo& entry : file->tensors()) {
      context.checkpoint();
      if (names.empty() || std::find(names.begin(), names.end(), entry.name) != names.end()) {
        tensors->emplace_back(entry.name, file->load(entry));
      }
    }
    for (const std::string& name : names) {
      if (!find_tensor(*tensors, name)) {
        throw Error(ErrorCode::kNotFound, "there is no tensor " + name + " in " + path);
      }
    }
  };
  const double job = environment.submit(std::move(spec), [tensors](Environment& environment) {
    return named_tensors_to_js(environment, *tensors);
  });
  return Napi::Number::New(info.Env(), job);
}

napi_value submit_write(Environment& environment, const Napi::CallbackInfo& info) {
  NamedTensors tensors = named_tensors_from_js(environment, info[1]);
  Metadata metadata;
  const Json given = Json::parse(to_text(info[2]), "metadata");
  for (const auto& [key, value] : given.as_object("metadata")) {
    metadata.emplace_back(key, value.as_string(key));
  }
  auto borrow = std::make_shared<Borrow>(tensors_of(tensors), std::vector<at::Tensor>{});
  JobSpec spec = environment.job_spec(info[3]);
  spec.input_bytes = bytes_of(tensors);
  spec.work = [path = to_text(info[0]), tensors, metadata, borrow](JobContext&) {
    write_safetensors(path, tensors, metadata);
  };
  return Napi::Number::New(info.Env(), environment.submit(std::move(spec), nullptr));
}

}  // namespace

void add_file_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "inspect", inspect);
  add_function(env, exports, "submitReadFile", submit_read);
  add_function(env, exports, "submitWriteFile", submit_write);
}

}  // namespace torchsight
