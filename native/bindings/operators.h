// Operators of libtorch's dispatcher, called boxed by their schemas.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <vector>

#include "bindings/values.h"
#include "runtime/borrow.h"

namespace torchsight {

/// One overload of an operator, with what the conversion of its arguments needs.
struct Overload {
  struct Parameter {
    ArgumentType type;
    bool written = false;
    std::optional<c10::IValue> fallback;
  };
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;

  explicit Overload(c10::OperatorHandle handle);
};

}  // namespace torchsight
