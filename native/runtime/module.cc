#include "runtime/module.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "runtime/error.h"
#include "runtime/steady.h"

namespace torchsight {
namespace {

constexpr std::string_view kAllTaps = "all";

Json to_json(const std::vector<MethodSchema>& schemas) {
  Json list(Json::Array{});
  for (const MethodSchema& schema : schemas) list.push_back(schema.to_json());
  return list;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "none" : text;
}

}  // namespace

Taps::Taps(std::vector<std::string> wanted) : wanted_(std::move(wanted)) {
  all_ = std::find(wanted_.begin(), wanted_.end(), kAllTaps) != wanted_.end();
}

bool Taps::wants(std::string_view name) const noexcept {
  return all_ || std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

void Taps::record(std::string_view name, const at::Tensor& tensor) {
  if (wants(name)) {
    recorded_.emplace_back(name, tensor.detach().clone(at::MemoryFormat::Contiguous));
  }
}

void Taps::check(const std::vector<std::string>& known) const {
  for (const std::string& name : wanted_) {
    if (name == kAllTaps || std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error(ErrorCode::kBadInput,
                "expected one of the taps " + joined(known) + " but received \"" + name + "\"");
  }
}

const at::Tensor& Call::input(std::string_view name) const {
  if (const at::Tensor* tensor = find_tensor(inputs, name)) return *tensor;
  throw Error(ErrorCode::kInternal,
              "expected a tensor for " + std::string(name) + " but received nothing");
}

Json Session::describe() const {
  return to_json(schemas());
}

NamedTensors Session::snapshot() const {
  throw Error(ErrorCode::kUnsupported, "this session has no snapshot");
}

void Session::restore(const NamedTensors&) {
  throw Error(ErrorCode::kUnsupported, "this session cannot be restored");
}

std::vector<MethodSchema> Module::schemas() const {
  std::vector<MethodSchema> schemas;
  for (const Method& method : methods_) schemas.push_back(method.schema);
  return schemas;
}

NamedTensors Module::call(const std::string& name, Call& call, JobContext& context) {
  const at::NoGradGuard no_grad;
  return run(name, call, context);
}

NamedTensors Module::run(const std::string& name, Call& call, JobContext& context) {
  const Method& method = find_method(name);
  method.schema.check(call.inputs, call.options);
  if (call.taps.any()) call.taps.check(tap_names());
  const Timeline::Scope scope(call.timeline.get());
  const Steady steady(options_.group != nullptr);
  return method.handler(call, context);
}

MethodSchema Module::schema_of(const std::string& method) const {
  return find_method(method).schema;
}

const Module::Method& Module::find_method(const std::string& name) const {
  std::vector<std::string> known;
  for (const Method& method : methods_) {
    if (method.schema.name == name) return method;
    known.push_back(method.schema.name);
  }
  throw Error(ErrorCode::kNotFound,
              "expected one of the methods " + joined(known) + " but received \"" + name + "\"");
}

std::unique_ptr<Session> Module::open_session(const std::string& kind, const Json&) {
  throw Error(ErrorCode::kNotFound, "this model has no session of the kind \"" + kind + "\"");
}

void Module::add_method(MethodSchema schema, Handler handler) {
  methods_.push_back({std::move(schema), std::move(handler)});
}

Json Module::describe() {
  Json taps(Json::Array{});
  for (const std::string& name : tap_names()) taps.push_back(name);
  Json entries(Json::Array{});
  for (const Parameter& parameter : parameters()) {
    Json shape(Json::Array{});
    for (int64_t size : parameter.full_shape) shape.push_back(size);
    Json entry(Json::Object{});
    entry.set("name", parameter.name)
        .set("shape", std::move(shape))
        .set("dtype", std::string(dtype_name(parameter.tensor.scalar_type())));
    entries.push_back(std::move(entry));
  }
  Json result(Json::Object{});
  result.set("methods", torchsight::to_json(schemas()))
      .set("taps", std::move(taps))
      .set("parameters", std::move(entries));
  return result;
}

}  // namespace torchsight
