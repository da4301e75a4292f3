#include "runtime/captured_module.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <sstream>

#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// All that decides on the work of a call.
std::string key_of(const std::string& method, const Call& call) {
  std::ostringstream key;
  key << method << ' ' << call.options.dump();
  for (const auto& [name, tensor] : call.inputs) {
    key << ' ' << name << ' ' << tensor.scalar_type() << tensor.sizes();
  }
  return key.str();
}

}  // namespace

CapturedModule::CapturedModule(std::shared_ptr<Module> module, MakeGraph make_graph)
    : module_(std::move(module)), make_graph_(std::move(make_graph)) {
  set_options(module_->options());
  const auto schemas = module_->schemas();
  const bool any = std::any_of(schemas.begin(), schemas.end(), [&](const MethodSchema& schema) {
    return module_->fixed(schema.name);
  });
  if (any) return;
  throw Error(
      ErrorCode::kUnsupported,
      "expected an unsharded model whose work depends on shapes alone for the option graph");
}

NamedTensors CapturedModule::call(const std::string& method, Call& call, JobContext& context) {
  if (!module_->fixed(method) || call.taps.any()) return module_->call(method, call, context);
  std::string key = key_of(method, call);
  const auto known = std::find_if(captured_.begin(), captured_.end(),
                                  [&](const Captured& captured) { return captured.key == key; });
  if (known != captured_.end()) {
    captured_.splice(captured_.begin(), captured_, known);
    context.checkpoint();
    return replay(captured_.front(), call);
  }
  NamedTensors results = module_->call(method, call, context);
  capture(std::move(key), method, call);
  return results;
}

void CapturedModule::capture(std::string key, const std::string& method, const Call& call) {
  // Before the capture, so that what the oldest holds can serve it.
  while (captured_.size() >= kMost) captured_.pop_back();
  std::list<Captured> one(1);
  Captured& captured = one.front();
  captured.key = std::move(key);
  captured.call.options = call.options;
  for (const auto& [name, tensor] : call.inputs) {
    captured.call.inputs.emplace_back(name, onto(tensor, module_->device()).clone());
  }
  captured.graph = make_graph_();
  captured.graph->capture([this, method, &captured] {
    JobContext quiet;  // another job of the device must not come in between
    captured.outputs = module_->call(method, captured.call, quiet);
  });
  captured_.splice(captured_.begin(), one);
}

NamedTensors CapturedModule::replay(Captured& captured, const Call& call) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const at::Tensor& fixed = captured.call.inputs[i].second;
    fixed.copy_(onto(call.inputs[i].second, fixed.device()), /*non_blocking=*/true);
  }
  captured.graph->replay();
  NamedTensors results;
  for (const auto& [name, tensor] : captured.outputs) results.emplace_back(name, tensor.clone());
  return results;
}

std::shared_ptr<Module> capture_calls(std::shared_ptr<Module> module) {
  const at::Device device = module->device();
  if (!has_work_graphs(device)) {
    throw Error(ErrorCode::kUnsupported,
                "expected a device whose work can be captured for the option graph but received " +
                    device.str());
  }
  return std::make_shared<CapturedModule>(std::move(module),
                                          [device] { return make_work_graph(device); });
}

}  // namespace torchsight
