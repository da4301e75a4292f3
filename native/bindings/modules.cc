#include "bindings/functions.h"

#include <chrono>
#include <limits>

#include "remote/load_module.h"
#include "runtime/borrow.h"
#include "runtime/dry_run.h"
#include "runtime/reshard.h"
#include "runtime/save.h"

#ifndef _WIN32
#include "remote/data_parallel.h"
#include "remote/joined_module.h"
#include "remote/remote_module.h"
#endif

namespace torchsight {
namespace {

// How long JavaScript waits for calls of a session before it is told that they are still running.
constexpr std::chrono::seconds kPatience(30);

Json options_of(const Napi::Value& value) {
  return Json::parse(to_text(value), "options");
}

#ifndef _WIN32
RemoteModule* remote(const std::shared_ptr<Module>& module) {
  return dynamic_cast<RemoteModule*>(module.get());
}
#endif

// Whether other processes make the same calls, in the same order.
bool in_turn(const std::shared_ptr<Module>& module) {
#ifdef _WIN32
  return false;
#else
  return dynamic_cast<JoinedModule*>(module.get()) != nullptr;
#endif
}

// What one call of a method holds while it runs.
struct Running {
  Call call;
  Borrow borrow;
  NamedTensors outputs;
};

std::shared_ptr<Running> prepare(Environment& environment, const Napi::Value& inputs,
                                 const Napi::Value& options, JobSpec& spec) {
  auto running = std::make_shared<Running>();
  running->call.inputs = named_tensors_from_js(environment, inputs);
  running->call.options = options_of(options);
  running->borrow = Borrow(tensors_of(running->call.inputs), {});
  spec.input_bytes = bytes_of(running->call.inputs);
  return running;
}

napi_value submit_running(Environment& environment, JobSpec spec, std::shared_ptr<Running> running,
                          at::Device device) {
  const double job = environment.submit(
      std::move(spec),
      [running = std::move(running)](Environment& environment) {
        return named_tensors_to_js(environment, running->outputs);
      },
      device);
  return Napi::Number::New(environment.env(), job);
}

napi_value submit_load(Environment& environment, const Napi::CallbackInfo& info) {
  auto request = std::make_shared<LoadRequest>(Json::parse(to_text(info[0]), "request"));
  JobSpec spec = environment.job_spec(info[1]);
  spec.in_turn = request->joins();
  auto loaded = std::make_shared<std::shared_ptr<Module>>();
  auto description = std::make_shared<std::string>();
  // Workers have lanes of their own, and ranks meet once.
  const bool here = !request->remote() && !request->joins();
  const at::Device device = here ? request->options.device : at::kCPU;
  const bool repeatable = is_accelerator(device);
  spec.repeatable = repeatable;
  spec.work = [request, loaded, description, repeatable](JobContext& context) {
    *loaded = load_module(repeatable ? *request : std::move(*request), context);
    *description = (*loaded)->describe().dump();
  };
  const double job = environment.submit(
      std::move(spec),
      [loaded, description](Environment& environment) {
        Napi::Object result = Napi::Object::New(environment.env());
        result.Set("module", environment.modules.add(std::move(*loaded)));
        result.Set("description", *description);
        return result;
      },
      device);
  return Napi::Number::New(info.Env(), job);
}

napi_value submit_call(Environment& environment, const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = environment.modules.at(to_handle(info[0]));
  JobSpec spec = environment.job_spec(info[6]);
  spec.in_turn = in_turn(module);
  auto running = prepare(environment, info[2], info[3], spec);
  std::vector<std::string> taps;
  const auto names = info[4].As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); ++i) taps.push_back(to_text(names.Get(i)));
  running->call.taps = Taps(std::move(taps));
  const std::string trace = to_text(info[5]);
  if (!trace.empty()) running->call.timeline = std::make_shared<Timeline>();
  spec.work = [module, method = to_text(info[1]), trace, running](JobContext& context) {
    Call call = running->call;  // the work may be repeated
    running->outputs = module->call(method, call, context);
    running->borrow = {};
    // Under a launcher one rank writes what all have done.
    if (call.timeline) call.timeline->write(trace);
  };
  spec.repeatable = module->repeatable();
  // A rank that waited for a slow reader, or left while it did, would keep the others waiting.
  if (spec.in_turn) spec.stream_capacity = std::numeric_limits<size_t>::max();
  return submit_running(environment, std::move(spec), std::move(running), module->device());
}

napi_value submit_save(Environment& environment, const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = environment.modules.at(to_handle(info[0]));
  JobSpec spec = environment.job_spec(info[4]);
  spec.in_turn = in_turn(module);
  const auto shard_bytes = static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value());
  const SaveOptions options{to_text(info[1]), shard_bytes, to_text(info[3])};
  spec.work = [module, options](JobContext& context) { module->save(options, context); };
  const double job = environment.submit(std::move(spec), nullptr, module->device());
  return Napi::Number::New(info.Env(), job);
}

napi_value submit_reshard(Environment& environment, const Napi::CallbackInfo& info) {
  const auto request = ReshardRequest::from_json(Json::parse(to_text(info[0]), "request"));
  JobSpec spec = environment.job_spec(info[1]);
  spec.work = [request](JobContext& context) { reshard(request, context); };
  return Napi::Number::New(info.Env(), environment.submit(std::move(spec), nullptr));
}

napi_value close_module(Environment& environment, const Napi::CallbackInfo& info) {
  environment.modules.remove(to_handle(info[0]));
  return info.Env().Undefined();
}

napi_value pids(Environment& environment, const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
#ifndef _WIN32
  const auto add = [&](const std::shared_ptr<Module>& module) {
    RemoteModule* const away = remote(module);
    if (!away) return;
    for (int64_t pid : away->pids()) result.Set(result.Length(), static_cast<double>(pid));
  };
  const std::shared_ptr<Module> module = environment.modules.at(to_handle(info[0]));
  add(module);
  if (const auto* replicated = dynamic_cast<DataParallel*>(module.get())) {
    for (const auto& replica : replicated->replicas()) add(replica);
  }
#endif
  return result;
}

napi_value open_session(Environment& environment, const Napi::CallbackInfo& info) {
  const std::shared_ptr<Module> module = environment.modules.at(to_handle(info[0]));
  auto session = std::make_shared<SharedSession>(
      module, module->open_session(to_text(info[1]), options_of(info[2])));
  return Napi::Number::New(info.Env(), environment.sessions.add(std::move(session)));
}

napi_value describe_session(Environment& environment, const Napi::CallbackInfo& info) {
  const auto& session = environment.sessions.at(to_handle(info[0]));
  return Napi::String::New(info.Env(), session->describe().dump());
}

napi_value submit_session_call(Environment& environment, const Napi::CallbackInfo& info) {
  const std::shared_ptr<SharedSession> session = environment.sessions.at(to_handle(info[0]));
  JobSpec spec = environment.job_spec(info[4]);
  auto running = prepare(environment, info[2], info[3], spec);
  spec.work = [session, method = to_text(info[1]), running](JobContext& context) {
    running->outputs = session->call(method, running->call, context);
    running->borrow = {};
  };
  return submit_running(environment, std::move(spec), std::move(running), session->device());
}

napi_value snapshot(Environment& environment, const Napi::CallbackInfo& info) {
  LimitedContext context(kPatience);
  NamedTensors state = environment.sessions.at(to_handle(info[0]))->snapshot(context);
  return named_tensors_to_js(environment, state);
}

napi_value restore(Environment& environment, const Napi::CallbackInfo& info) {
  LimitedContext context(kPatience);
  environment.sessions.at(to_handle(info[0]))
      ->restore(named_tensors_from_js(environment, info[1]), context);
  return info.Env().Undefined();
}

napi_value close_session(Environment& environment, const Napi::CallbackInfo& info) {
  environment.sessions.remove(to_handle(info[0]));
  return info.Env().Undefined();
}

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
  const Json config = Json::parse(to_text(info[0]), "config");
  return Napi::String::New(info.Env(), make_module(config, options)->describe().dump());
}

napi_value run_dry(Environment&, const Napi::CallbackInfo& info) {
  const Json request = Json::parse(to_text(info[0]), "request");
  return Napi::String::New(info.Env(), dry_run(request).dump());
}

}  // namespace

void add_module_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "submitLoad", submit_load);
  add_function(env, exports, "submitCall", submit_call);
  add_function(env, exports, "submitSave", submit_save);
  add_function(env, exports, "submitReshard", submit_reshard);
  add_function(env, exports, "closeModule", close_module);
  add_function(env, exports, "modulePids", pids);
  add_function(env, exports, "openSession", open_session);
  add_function(env, exports, "sessionDescription", describe_session);
  add_function(env, exports, "submitSessionCall", submit_session_call);
  add_function(env, exports, "sessionSnapshot", snapshot);
  add_function(env, exports, "sessionRestore", restore);
  add_function(env, exports, "closeSession", close_session);
  add_function(env, exports, "modelTypes", types);
  add_function(env, exports, "describeModel", describe_model);
  add_function(env, exports, "dryRun", run_dry);
}

}  // namespace torchsight
