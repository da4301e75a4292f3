#include "bindings/functions.h"

namespace torchsight {
namespace {

std::shared_ptr<Job> find_job(Environment& environment, const Napi::Value& id) {
  const auto found = environment.jobs.find(id.As<Napi::Number>().DoubleValue());
  return found == environment.jobs.end() ? nullptr : found->second;
}

napi_value cancel(Environment& environment, const Napi::CallbackInfo& info) {
  if (const auto job = find_job(environment, info[0])) job->lane().cancel(job);
  return info.Env().Undefined();
}

napi_value item_taken(Environment& environment, const Napi::CallbackInfo& info) {
  if (const auto job = find_job(environment, info[0])) job->item_taken();
  return info.Env().Undefined();
}

napi_value counters(Environment&, const Napi::CallbackInfo& info) {
  const LaneCounters now = Lane::all_counters();
  Napi::Object result = Napi::Object::New(info.Env());
  const std::pair<const char*, int64_t> fields[] = {
      {"submitted", now.submitted}, {"completed", now.completed}, {"failed", now.failed},
      {"cancelled", now.cancelled}, {"expired", now.expired},     {"refused", now.refused},
      {"queued", now.queued},       {"running", now.running},     {"queuedBytes", now.queued_bytes},
  };
  for (const auto& [name, value] : fields) result.Set(name, static_cast<double>(value));
  return result;
}

napi_value set_limits(Environment&, const Napi::CallbackInfo& info) {
  const auto wanted = info[0].As<Napi::Object>();
  LaneLimits limits = Lane::default_limits();
  const auto number = [&](const char* name, auto& field) {
    const Napi::Value value = wanted.Get(name);
    if (value.IsUndefined()) return;
    const double given = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
    if (!(given >= 1)) {
      throw Error(ErrorCode::kBadInput, std::string("expected a number of 1 or more for ") + name);
    }
    field = static_cast<std::remove_reference_t<decltype(field)>>(given);
  };
  number("jobs", limits.jobs);
  number("bytes", limits.bytes);
  number("threads", limits.threads);
  Lane::limit_all(limits);
  return info.Env().Undefined();
}

}  // namespace

void add_job_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "cancelJob", cancel);
  add_function(env, exports, "itemTaken", item_taken);
  add_function(env, exports, "laneCounters", counters);
  add_function(env, exports, "setLaneLimits", set_limits);
}

}  // namespace torchsight
