// What a module says of its methods. TypeScript types, argument checks and `torchsight call` are
// all derived from it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "runtime/tensors.h"

namespace torchsight {

struct TensorSpec {
  std::string name;
  std::vector<at::ScalarType> dtypes;  // accepted ones; empty accepts all
  /// One entry a dimension: a number ("3") or a symbol ("B"). Equal symbols must agree within a
  /// call; "B*Q" is a symbol too, and says that there are as many for each of B. A first entry
  /// "..." stands for any leading dimensions.
  std::vector<std::string> shape;
  bool optional = false;
  int batch_axis = -1;  // -1: not batched
};

struct OptionSpec {
  std::string name;
  std::string type;  // "bool" | "int" | "float" | "string" | "int[]" | "json", any value
  Json fallback;     // null: required unless `optional`
  std::string doc;
  bool optional = true;
};

struct MethodSchema {
  std::string name;
  std::string doc;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<OptionSpec> options;
  std::vector<TensorSpec>
      stream;  // what one streamed item holds; empty: the method streams nothing

  /// Throws `Error(kBadInput | kShape | kDtype)` where inputs or options do not fit. Inputs of
  /// int32 where int64 is asked for are widened in place.
  void check(NamedTensors& inputs, const Json& options) const;
  Json to_json() const;
};

}  // namespace torchsight
