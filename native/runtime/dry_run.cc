#include "runtime/dry_run.h"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include "distributed/dry_group.h"

namespace torchsight {
namespace {

// Attention on the meta device asks for it, and libtorch has it in Python only. The first dry run
// registers it: no other work of a process needs it.
at::Tensor& where_meta(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other,
                       at::Tensor& out) {
  const auto shape = at::infer_size(condition.sizes(), at::infer_size(self.sizes(), other.sizes()));
  at::native::resize_output(out, shape);
  return out;
}

void provide_where() {
  static const torch::Library library = [] {
    torch::Library meta(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
    meta.impl("where.self_out", where_meta);
    return meta;
  }();
}

at::Tensor meta_tensor(const Json& input) {
  std::vector<int64_t> shape;
  for (const Json& size : input.at("shape").as_array()) shape.push_back(size.as_int());
  const at::ScalarType dtype = dtype_from_name(input.at("dtype").as_string());
  return at::empty(shape, at::TensorOptions().dtype(dtype).device(at::kMeta));
}

}  // namespace

Json dry_run(const Json& request) {
  provide_where();
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
    call.inputs.emplace_back(input.at("name").as_string(), meta_tensor(input));
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
