#include "runtime/dry_run.h"

#include <ATen/ATen.h>

#include "distributed/dry_group.h"
#include "runtime/meta_kernels.h"

namespace torchsight {
namespace {

at::Tensor input_of(const Json& input) {
  std::vector<int64_t> shape;
  for (const Json& size : input.at("shape").as_array()) shape.push_back(size.as_int());
  const at::ScalarType dtype = dtype_from_name(input.at("dtype").as_string());
  if (input.get("host", false)) return at::zeros(shape, dtype);
  return at::empty(shape, at::TensorOptions().dtype(dtype).device(at::kMeta));
}

}  // namespace

Json dry_run(const Json& request) {
  provide_meta_kernels();
  const int64_t ranks = request.get("ranks", 1);
  const auto group = ranks > 1 ? make_dry_group(request.get("rank", 0), ranks) : nullptr;
  ModuleOptions options;
  options.device = at::kMeta;
  options.dtype = dtype_from_name(request.get("dtype", "float32"));
  options.group = group;
  if (const Json* extra = request.find("extra")) options.extra = *extra;
  const auto module = make_module(request.at("config"), options);
  int64_t count = 0, bytes = 0;
  for (const Parameter& parameter : module->parameters()) {
    count += parameter.tensor.numel();
    bytes += parameter.tensor.numel() * static_cast<int64_t>(parameter.tensor.element_size());
  }
  module->loaded();
  Call call;
  for (const Json& input : request.at("inputs").as_array()) {
    call.inputs.emplace_back(input.at("name").as_string(), input_of(input));
  }
  call.options = Json::Object{};
  JobContext context;
  module->call(request.at("method").as_string(), call, context);
  Json traffic(Json::Object{});
  if (group) {
    for (const auto& [kind, sent] : group->traffic()) {
      traffic.set(kind, Json(Json::Object{{"calls", sent.calls}, {"bytes", sent.bytes}}));
    }
  }
  return Json::Object{
      {"parameters", count}, {"parameterBytes", bytes}, {"traffic", std::move(traffic)}};
}

}  // namespace torchsight
