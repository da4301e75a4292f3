// Values of operator calls: from JavaScript to libtorch by schema type, and back.
#pragma once

#include <napi.h>

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <string>

namespace torchsight {

class Environment;

/// A schema type, looked up once for each argument of an operator.
struct ArgumentType {
  enum class Kind {
    kTensor,
    kScalar,
    kInt,
    kFloat,
    kBool,
    kString,
    kDevice,
    kList,
    kOther,  // only None fits: generators, storages, streams
  };
  Kind kind = Kind::kOther;
  bool optional = false;
  Kind element = Kind::kOther;    // of a list
  bool optional_element = false;  // of a list of tensors
  int64_t length = 0;             // of a list of fixed length: one value fills it

  static ArgumentType of(const c10::Argument& argument);
};

/// Throws `Error(kBadInput)` naming `name` where the value does not fit.
c10::IValue to_ivalue(Environment& environment, napi_value value, const ArgumentType& type,
                      const std::string& name);

/// Tensors become handles, None null, integers beyond 2^53 bigints, complex numbers `{re, im}`.
napi_value to_js(Environment& environment, const c10::IValue& value);

}  // namespace torchsight
