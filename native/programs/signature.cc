#include "programs/signature.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <utility>

#include "programs/compiled_model.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

bool unique(const std::vector<std::string>& names) {
  return std::set<std::string>(names.begin(), names.end()).size() == names.size();
}

std::vector<std::string> numbered(const char* stem, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(stem + std::to_string(i));
  return names;
}

}  // namespace

Signature::Signature(const PackagedModel& packaged, const ExportedProgram& exported,
                     const CompiledModel& model)
    : name_(packaged.name) {
  read_inputs(packaged, model);
  name_inputs(model, exported);
  std::vector<std::string> names = output_names(model.output_spec(), exported.tuples);
  if (!unique(names)) names = numbered("output_", names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    TensorSpec spec;
    spec.shape = {"..."};
    if (exported.outputs.size() == names.size()) spec = exported.outputs[i];
    spec.name = names[i];
    outputs_.push_back(std::move(spec));
  }
}

void Signature::read_inputs(const PackagedModel& packaged, const CompiledModel& model) {
  std::vector<InputCheck> checks = read_input_checks(packaged.source);
  checks.resize(std::max(checks.size(), model.inputs()));
  for (size_t i = 0; i < checks.size(); ++i) {
    const std::string unchecked =
        i < model.inputs() ? unchecked_part(checks[i], checks) : "is not one of the call";
    if (unchecked.empty()) continue;
    throw Error(ErrorCode::kUnsupported,
                "expected the source of the model \"" + name_ + "\" to check all of its " +
                    std::to_string(model.inputs()) + " inputs but input " + std::to_string(i) +
                    " " + unchecked + "; " + export_again(),
                "NO_CHECKS");
  }
  for (InputCheck& check : checks) inputs_.push_back({{}, std::move(check)});
}

void Signature::name_inputs(const CompiledModel& model, const ExportedProgram& exported) {
  std::vector<std::string> names =
      input_names(model.input_spec(), exported.positional, exported.tuples);
  if (names.size() == exported.takes_tensor.size()) {
    std::vector<std::string> tensors;
    for (size_t i = 0; i < names.size(); ++i) {
      if (exported.takes_tensor[i]) tensors.push_back(names[i]);
    }
    names = std::move(tensors);
  }
  // Arguments that are no tensors are no inputs either; without the exported program, nothing tells
  // which ones those are.
  if (names.size() != inputs_.size() || !unique(names)) names = numbered("input_", inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].name = names[i];
}

std::string Signature::bounds() const {
  std::string text;
  std::set<std::string> told;
  for (const Input& input : inputs_) {
    for (const Dimension& dimension : input.check.dimensions) {
      const bool free = dimension.size.is_symbol() && (dimension.most || dimension.least > 1);
      if (!free || !told.insert(dimension.size.text()).second) continue;
      text += (text.empty() ? "" : ", ") + dimension.size.text() + " in " +
              std::to_string(dimension.least) + ".." +
              (dimension.most ? std::to_string(*dimension.most) : "");
    }
  }
  return text;
}

MethodSchema Signature::schema(const std::string& method) const {
  MethodSchema schema;
  schema.name = method;
  schema.doc = bounds();
  for (const auto& [name, check] : inputs_) {
    TensorSpec spec;
    spec.name = name;
    try {
      spec.dtypes = {dtype_from_name(check.dtype)};
    } catch (const Error& error) {
      throw Error(ErrorCode::kUnsupported,
                  "the input " + name + " of " + name_ + ": " + error.what(), "INPUT_DTYPE");
    }
    for (const Dimension& dimension : check.dimensions) {
      spec.shape.push_back(dimension.size.text());
    }
    schema.inputs.push_back(std::move(spec));
  }
  schema.outputs = outputs_;
  return schema;
}

NamedTensors Signature::named(std::vector<at::Tensor> outputs) const {
  if (outputs.size() != outputs_.size()) {
    throw Error(ErrorCode::kInternal, "expected " + std::to_string(outputs_.size()) +
                                          " results of " + name_ + " but received " +
                                          std::to_string(outputs.size()));
  }
  NamedTensors named;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined()) continue;
    static_cast<void>(dtype_name(outputs[i].scalar_type()));  // throws for those we cannot have
    named.emplace_back(outputs_[i].name, std::move(outputs[i]));
  }
  return named;
}

}  // namespace torchsight
