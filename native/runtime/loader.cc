#include "runtime/loader.h"

#include "runtime/accelerator.h"
#include "runtime/captured_module.h"
#include "runtime/error.h"
#include "runtime/load_agreement.h"
#include "runtime/plan_match.h"
#include "runtime/together.h"

namespace torchsight {
namespace {

// What the weights take, counted on the meta device before memory is taken for them.
int64_t weight_bytes(const LoadRequest& request) {
  ModuleOptions options = request.options;
  options.device = at::kMeta;
  int64_t bytes = 0;
  for (const Parameter& parameter : make_module(request.config, options)->parameters()) {
    bytes += static_cast<int64_t>(parameter.tensor.nbytes());
  }
  return bytes;
}

}  // namespace

LoadRequest::LoadRequest(Json request) : json(std::move(request)), config(json.at("config")) {
  options.device = device_from_name(json.get("device", "cpu"));
  options.dtype = dtype_from_name(json.get("dtype", "float32"));
  if (const Json* extra = json.find("extra")) options.extra = *extra;
  if (!at::isFloatingType(options.dtype)) {
    throw Error(ErrorCode::kDtype, "expected a floating dtype for a module but received " +
                                       std::string(dtype_name(options.dtype)));
  }
}

bool LoadRequest::remote() const {
  return json.get("isolate", false) || json.get("tensorParallel", 1) > 1 ||
         json.get("dataParallel", 1) > 1;
}

std::shared_ptr<Module> load_here(const LoadRequest& request, JobContext& context) {
  if (const Json* program = request.json.find("program")) return load_program(*program, context);
  ModuleOptions options = request.options;
  options.device = require_device(options.device);
  Group* group = options.group.get();
  PlanFiles files;
  LoadPlan plan;
  const Json* given = request.json.find("plan");
  LoadSummary summary;
  together(group, context, [&](JobContext&) {
    if (given) plan = LoadPlan::from_json(*given);
    if (group) summary = summarize(request, plan, files);
  });
  if (group) agree_on(summary, *group);
  std::shared_ptr<Module> module;
  together(group, context, [&](JobContext& watched) {
    if (is_accelerator(options.device)) {
      check_fits(weight_bytes(request), options.device, device_memory(options.device));
    }
    module = make_module(request.config, options);
    if (given) {
      execute(plan, files, *module, watched);
    } else {
      initialize(*module, static_cast<uint64_t>(request.json.at("seed").as_int("seed")), watched);
    }
  });
  module->loaded();
  return options.extra.get("graph", false) ? capture_calls(std::move(module)) : module;
}

}  // namespace torchsight
