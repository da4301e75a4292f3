#include "programs/exported_program.h"

#include <ATen/core/Tensor.h>

#include "programs/extent.h"
#include "programs/target.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// Codes of `torch._export.serde.schema.ScalarType`, for the dtypes that tensors here can have.
std::optional<at::ScalarType> dtype_of(int64_t code) {
  switch (code) {
    case 1:
      return at::kByte;
    case 2:
      return at::kChar;
    case 3:
      return at::kShort;
    case 4:
      return at::kInt;
    case 5:
      return at::kLong;
    case 6:
      return at::kHalf;
    case 7:
      return at::kFloat;
    case 8:
      return at::kDouble;
    case 10:
      return at::kComplexFloat;
    case 12:
      return at::kBool;
    case 13:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

std::string size_text(const Json& size) {
  if (const Json* number = size.find("as_int")) return std::to_string(number->as_int("as_int"));
  return Extent::parse(size.at("as_expr").at("expr_str").as_string("expr_str")).text();
}

// What the graph says of the tensor of that name.
TensorSpec tensor_of(const Json& values, const std::string& name) {
  const Json& told = values.at(name);
  TensorSpec spec;
  if (const auto dtype = dtype_of(told.at("dtype").as_int("dtype"))) spec.dtypes = {*dtype};
  for (const Json& size : told.at("sizes").as_array("sizes")) spec.shape.push_back(size_text(size));
  return spec;
}

std::vector<std::string> texts(const Json* list) {
  std::vector<std::string> read;
  if (!list || !list->is_array()) return read;
  for (const Json& text : list->as_array()) read.push_back(text.as_string());
  return read;
}

TupleFields tuples_of(const Json& module) {
  TupleFields fields;
  const Json* known = module.find("treespec_namedtuple_fields");
  if (!known || !known->is_object()) return fields;
  for (const auto& [name, tuple] : known->as_object()) {
    fields[name] = texts(tuple.find("field_names"));
  }
  return fields;
}

ExportedProgram read(const Json& json) {
  ExportedProgram program;
  program.torch_version = json.get("torch_version", "");
  const Json& module = json.at("graph_module");
  const Json& values = module.at("graph").at("tensor_values");
  const Json& signature = module.at("signature");
  program.tuples = tuples_of(module);
  for (const Json& input : signature.at("input_specs").as_array("input_specs")) {
    if (const Json* given = input.find("user_input")) {
      program.takes_tensor.push_back(given->at("arg").find("as_tensor") != nullptr);
    } else if (input.find("constant_input")) {
      program.takes_tensor.push_back(false);
    }
  }
  for (const Json& output : signature.at("output_specs").as_array("output_specs")) {
    const Json* given = output.find("user_output");
    if (!given) continue;
    if (const Json* tensor = given->at("arg").find("as_tensor")) {
      program.outputs.push_back(tensor_of(values, tensor->at("name").as_string("name")));
    } else {
      TensorSpec other;
      other.shape = {"..."};
      other.optional = true;
      program.outputs.push_back(std::move(other));
    }
  }
  for (const Json& entry : module.at("module_call_graph").as_array("module_call_graph")) {
    const Json* call = entry.find("signature");
    if (entry.get("fqn", "") == std::string() && call && call->is_object()) {
      program.positional = texts(call->find("forward_arg_names"));
    }
  }
  return program;
}

}  // namespace

ExportedProgram read_exported_program(std::string_view text, const std::string& name) {
  ExportedProgram program;
  if (text.empty()) return program;
  try {
    program = read(Json::parse(text, name));
  } catch (const Error& error) {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected an exported program in " + name + ": " + error.what(),
                "EXPORTED_PROGRAM");
  }
  const std::string& version = program.torch_version;
  if (version.empty() || is_our_version(version)) return program;
  throw Error(ErrorCode::kUnsupported,
              "expected a program of this version of PyTorch in " + name + " but received one of " +
                  version + "; " + export_again(),
              "OTHER_LIBTORCH");
}

}  // namespace torchsight
