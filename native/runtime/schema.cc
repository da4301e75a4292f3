#include "runtime/schema.h"

#include <ATen/ATen.h>

#include <charconv>
#include <map>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr std::string_view kLeading = "...";
// What each symbol of a call stands for, and the input that said so first.
using Symbols = std::map<std::string, std::pair<int64_t, std::string>, std::less<>>;

std::string shape_text(at::IntArrayRef sizes) {
  std::string text = "[";
  for (const int64_t size : sizes) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

std::string shape_text(const std::vector<std::string>& shape) {
  std::string text = "[";
  for (const std::string& entry : shape) {
    if (text.size() > 1) text += ", ";
    text += entry;
  }
  return text + "]";
}

[[noreturn]] void wrong_shape(const TensorSpec& spec, const at::Tensor& tensor,
                              const std::string& detail = {}) {
  throw Error(ErrorCode::kShape, "expected shape " + shape_text(spec.shape) + " for " + spec.name +
                                     " but received " + shape_text(tensor.sizes()) + " of type " +
                                     std::string(dtype_name(tensor.scalar_type())) + detail);
}

void check_shape(const TensorSpec& spec, const at::Tensor& tensor, Symbols& symbols) {
  const bool leading = !spec.shape.empty() && spec.shape.front() == kLeading;
  const int64_t fixed = static_cast<int64_t>(spec.shape.size()) - (leading ? 1 : 0);
  if (leading ? tensor.dim() < fixed : tensor.dim() != fixed) wrong_shape(spec, tensor);
  for (int64_t i = 0; i < fixed; ++i) {
    const std::string& entry = spec.shape[i + (leading ? 1 : 0)];
    const int64_t size = tensor.size(tensor.dim() - fixed + i);
    int64_t number = 0;
    const auto end = entry.data() + entry.size();
    if (std::from_chars(entry.data(), end, number).ptr == end) {
      if (size != number) wrong_shape(spec, tensor);
      continue;
    }
    const auto [known, fresh] = symbols.try_emplace(entry, size, spec.name);
    if (!fresh && known->second.first != size) {
      wrong_shape(spec, tensor,
                  ", where " + entry + " is " + std::to_string(known->second.first) + " by " +
                      known->second.second);
    }
  }
}

void check_dtype(const TensorSpec& spec, at::Tensor& tensor) {
  const at::ScalarType dtype = tensor.scalar_type();
  bool widen = false;
  for (const at::ScalarType accepted : spec.dtypes) {
    if (accepted == dtype) return;
    widen |= accepted == at::kLong && dtype == at::kInt;
  }
  if (spec.dtypes.empty()) return;
  if (widen) {
    tensor = tensor.to(at::kLong);
    return;
  }
  std::string accepted;
  for (const at::ScalarType one : spec.dtypes) {
    if (!accepted.empty()) accepted += " or ";
    accepted += dtype_name(one);
  }
  throw Error(ErrorCode::kDtype, "expected " + accepted + " for " + spec.name + " but received " +
                                     std::string(dtype_name(dtype)));
}

template <typename Specs>
std::string names_of(const Specs& specs) {
  std::string names;
  for (const auto& spec : specs) {
    if (!names.empty()) names += ", ";
    names += spec.name;
  }
  return names.empty() ? "none" : names;
}

void check_option(const OptionSpec& spec, const Json& value) {
  if (spec.type == "bool") {
    value.as_bool(spec.name);
  } else if (spec.type == "int") {
    value.as_int(spec.name);
  } else if (spec.type == "float") {
    value.as_double(spec.name);
  } else if (spec.type == "string") {
    value.as_string(spec.name);
  } else if (spec.type == "int[]") {
    value.as_ints(spec.name);
  } else if (spec.type != "json") {
    throw Error(ErrorCode::kInternal, "expected a known type for option " + spec.name +
                                          " but received \"" + spec.type + "\"");
  }
}

void check_options(const MethodSchema& schema, const Json& options) {
  if (!options.is_null()) {
    for (const auto& [name, value] : options.as_object("options")) {
      bool known = false;
      for (const OptionSpec& spec : schema.options) known |= spec.name == name;
      if (known) continue;
      throw Error(ErrorCode::kBadInput, "expected one of the options " + names_of(schema.options) +
                                            " of " + schema.name + " but received \"" + name +
                                            "\"");
    }
  }
  for (const OptionSpec& spec : schema.options) {
    const Json* value = options.find(spec.name);
    if (value && !value->is_null()) {
      check_option(spec, *value);
    } else if (!spec.optional && spec.fallback.is_null()) {
      throw Error(ErrorCode::kBadInput, "expected a value of type " + spec.type + " for option " +
                                            spec.name + " of " + schema.name +
                                            " but received nothing");
    }
  }
}

Json specs_to_json(const std::vector<TensorSpec>& specs) {
  Json list = Json::Array{};
  for (const TensorSpec& spec : specs) {
    Json dtypes = Json::Array{}, shape = Json::Array{}, entry;
    for (const at::ScalarType dtype : spec.dtypes) dtypes.push_back(std::string(dtype_name(dtype)));
    for (const std::string& size : spec.shape) shape.push_back(size);
    entry.set("name", spec.name).set("dtypes", dtypes).set("shape", shape);
    entry.set("optional", spec.optional).set("batchAxis", spec.batch_axis);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

void MethodSchema::check(NamedTensors& tensors, const Json& given) const {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name_i = tensors[i].first;
    bool known = false;
    for (const TensorSpec& spec : inputs) known |= spec.name == name_i;
    if (!known) {
      throw Error(ErrorCode::kBadInput, "expected one of the inputs " + names_of(inputs) + " of " +
                                            name + " but received \"" + name_i + "\"");
    }
    for (size_t j = 0; j < i; ++j) {
      if (tensors[j].first != name_i) continue;
      throw Error(ErrorCode::kBadInput, "expected one tensor for " + name_i + " but received two");
    }
  }
  Symbols symbols;
  for (const TensorSpec& spec : inputs) {
    at::Tensor* tensor = nullptr;
    for (auto& [known, value] : tensors) {
      if (known == spec.name) tensor = &value;
    }
    if (tensor && tensor->defined()) {
      check_dtype(spec, *tensor);
      check_shape(spec, *tensor, symbols);
    } else if (!spec.optional) {
      throw Error(ErrorCode::kBadInput,
                  "expected a tensor for " + spec.name + " of " + name + " but received nothing");
    }
  }
  check_options(*this, given);
}

Json MethodSchema::to_json() const {
  Json list = Json::Array{};
  for (const OptionSpec& spec : options) {
    Json entry;
    entry.set("name", spec.name).set("type", spec.type).set("default", spec.fallback);
    entry.set("doc", spec.doc).set("optional", spec.optional || !spec.fallback.is_null());
    list.push_back(std::move(entry));
  }
  Json json;
  json.set("name", name).set("doc", doc).set("inputs", specs_to_json(inputs));
  json.set("outputs", specs_to_json(outputs)).set("options", std::move(list));
  json.set("stream", specs_to_json(stream));
  return json;
}

}  // namespace torchsight
