#include "bindings/values.h"

#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>

#include <cmath>

#include "bindings/environment.h"

namespace torchsight {
namespace {

using Kind = ArgumentType::Kind;
constexpr double kMaxSafeInteger = 9007199254740991.0;

Kind kind_of(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return Kind::kTensor;
    case c10::TypeKind::NumberType:
      return Kind::kScalar;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return Kind::kInt;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      return Kind::kFloat;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType:
      return Kind::kBool;
    case c10::TypeKind::StringType:
      return Kind::kString;
    case c10::TypeKind::DeviceObjType:
      return Kind::kDevice;
    case c10::TypeKind::ListType:
      return Kind::kList;
    default:
      return Kind::kOther;
  }
}

c10::TypePtr without_optional(const c10::TypePtr& type, bool& optional) {
  const auto inner = type->cast<c10::OptionalType>();
  optional = inner != nullptr;
  return inner ? inner->getElementType() : type;
}

std::string_view words(Kind kind) {
  switch (kind) {
    case Kind::kTensor:
      return "a Tensor";
    case Kind::kScalar:
      return "a number";
    case Kind::kInt:
      return "an integer";
    case Kind::kFloat:
      return "a number";
    case Kind::kBool:
      return "a boolean";
    case Kind::kString:
      return "a string";
    case Kind::kDevice:
      return "a device name";
    case Kind::kList:
      return "an array";
    default:
      return "null";
  }
}

[[noreturn]] void throw_mismatch(const Napi::Value& value, Kind kind, const std::string& name) {
  const char* types[] = {"undefined", "null",   "boolean",  "number",   "string",
                         "symbol",    "object", "function", "external", "bigint"};
  const auto type = static_cast<size_t>(value.Type());
  throw Error(ErrorCode::kBadInput, "expected " + std::string(words(kind)) + " for " + name +
                                        " but received " + value.ToString().Utf8Value() +
                                        " of type " +
                                        (value.IsArray()           ? "array"
                                         : type < std::size(types) ? types[type]
                                                                   : "unknown"));
}

int64_t to_int(const Napi::Value& value, const std::string& name) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(number) == number && std::abs(number) <= kMaxSafeInteger) {
      return static_cast<int64_t>(number);
    }
  } else if (value.IsBigInt()) {
    bool lossless = false;
    const int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (lossless) return number;
  }
  throw_mismatch(value, Kind::kInt, name);
}

double to_float(const Napi::Value& value, const std::string& name) {
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (value.IsBigInt()) return static_cast<double>(to_int(value, name));
  if (value.IsObject() && value.As<Napi::Object>().Has("float")) {
    return to_float(value.As<Napi::Object>().Get("float"), name);
  }
  throw_mismatch(value, Kind::kFloat, name);
}

// Integers become int64, as they do in Python; `{float: 1}` asks for a double.
at::Scalar to_scalar(const Napi::Value& value, const std::string& name) {
  if (value.IsBoolean()) return at::Scalar(value.As<Napi::Boolean>().Value());
  if (value.IsBigInt()) return at::Scalar(to_int(value, name));
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    const bool whole = std::trunc(number) == number && std::abs(number) <= kMaxSafeInteger;
    return whole ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
  }
  if (value.IsObject() && !value.IsArray()) {
    const auto object = value.As<Napi::Object>();
    if (object.Has("float")) return at::Scalar(to_float(value, name));
    if (object.Has("re") && object.Has("im")) {
      return at::Scalar(
          c10::complex<double>(to_float(object.Get("re"), name), to_float(object.Get("im"), name)));
    }
  }
  throw_mismatch(value, Kind::kScalar, name);
}

const at::Tensor& to_tensor(Environment& environment, const Napi::Value& value,
                            const std::string& name) {
  if (!value.IsNumber()) throw_mismatch(value, Kind::kTensor, name);
  return environment.tensor(value.As<Napi::Number>().DoubleValue());
}

template <typename T, typename Convert>
c10::IValue to_list(const Napi::Value& value, const ArgumentType& type, const std::string& name,
                    Convert convert) {
  c10::List<T> list;
  if (!value.IsArray()) {
    if (type.length == 0) throw_mismatch(value, Kind::kList, name);
    const T filled = convert(value);
    for (int64_t i = 0; i < type.length; ++i) list.push_back(filled);
    return list;
  }
  const auto array = value.As<Napi::Array>();
  list.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) list.push_back(convert(array.Get(i)));
  return list;
}

c10::IValue to_any_list(Environment& environment, const Napi::Value& value,
                        const ArgumentType& type, const std::string& name) {
  switch (type.element) {
    case Kind::kTensor:
      if (type.optional_element) {
        return to_list<std::optional<at::Tensor>>(
            value, type, name, [&](const Napi::Value& item) -> std::optional<at::Tensor> {
              if (item.IsNull() || item.IsUndefined()) return std::nullopt;
              return to_tensor(environment, item, name);
            });
      }
      return to_list<at::Tensor>(value, type, name, [&](const Napi::Value& item) {
        return to_tensor(environment, item, name);
      });
    case Kind::kInt:
      return to_list<int64_t>(value, type, name,
                              [&](const Napi::Value& item) { return to_int(item, name); });
    case Kind::kFloat:
      return to_list<double>(value, type, name,
                             [&](const Napi::Value& item) { return to_float(item, name); });
    case Kind::kBool:
      return to_list<bool>(value, type, name, [&](const Napi::Value& item) {
        if (!item.IsBoolean()) throw_mismatch(item, Kind::kBool, name);
        return item.As<Napi::Boolean>().Value();
      });
    case Kind::kString:
      return to_list<std::string>(value, type, name, [&](const Napi::Value& item) {
        if (!item.IsString()) throw_mismatch(item, Kind::kString, name);
        return item.As<Napi::String>().Utf8Value();
      });
    case Kind::kScalar:
      return to_list<at::Scalar>(value, type, name,
                                 [&](const Napi::Value& item) { return to_scalar(item, name); });
    default:
      throw_mismatch(value, Kind::kOther, name);
  }
}

napi_value int_to_js(Napi::Env env, int64_t value) {
  if (std::abs(static_cast<double>(value)) > kMaxSafeInteger) {
    return Napi::BigInt::New(env, value);
  }
  return Napi::Number::New(env, static_cast<double>(value));
}

}  // namespace

ArgumentType ArgumentType::of(const c10::Argument& argument) {
  ArgumentType result;
  const c10::TypePtr type = without_optional(argument.type(), result.optional);
  result.kind = kind_of(type);
  if (const auto list = type->cast<c10::ListType>()) {
    result.element = kind_of(without_optional(list->getElementType(), result.optional_element));
    result.length = argument.N().value_or(0);
  }
  return result;
}

c10::IValue to_ivalue(Environment& environment, napi_value raw, const ArgumentType& type,
                      const std::string& name) {
  double handle = 0;
  if (type.kind == Kind::kTensor &&
      napi_get_value_double(environment.env(), raw, &handle) == napi_ok) {
    return environment.tensor(handle);
  }
  const Napi::Value value(environment.env(), raw);
  if (value.IsNull() || value.IsUndefined()) {
    if (type.optional) return {};
    throw_mismatch(value, type.kind, name);
  }
  switch (type.kind) {
    case Kind::kScalar:
      return to_scalar(value, name);
    case Kind::kInt:
      return to_int(value, name);
    case Kind::kFloat:
      return to_float(value, name);
    case Kind::kBool:
      if (!value.IsBoolean()) throw_mismatch(value, type.kind, name);
      return value.As<Napi::Boolean>().Value();
    case Kind::kString:
      if (!value.IsString()) throw_mismatch(value, type.kind, name);
      return value.As<Napi::String>().Utf8Value();
    case Kind::kDevice:
      if (!value.IsString()) throw_mismatch(value, type.kind, name);
      return c10::Device(value.As<Napi::String>().Utf8Value());
    case Kind::kList:
      return to_any_list(environment, value, type, name);
    default:
      throw_mismatch(value, type.kind, name);
  }
}

napi_value to_js(Environment& environment, const c10::IValue& value) {
  Napi::Env env = environment.env();
  if (value.isTensor()) {
    if (!value.toTensor().defined()) return env.Null();
    return Napi::Number::New(env, environment.add_tensor(value.toTensor()));
  }
  if (value.isNone()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) return int_to_js(env, value.toInt());
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isDevice()) return Napi::String::New(env, value.toDevice().str());
  if (value.isComplexDouble()) {
    Napi::Object complex = Napi::Object::New(env);
    complex.Set("re", value.toComplexDouble().real());
    complex.Set("im", value.toComplexDouble().imag());
    return complex;
  }
  if (value.isList() || value.isTuple()) {
    const auto items =
        value.isList() ? value.toListRef().vec() : value.toTupleRef().elements().vec();
    Napi::Array array = Napi::Array::New(env, items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      array.Set(static_cast<uint32_t>(i), Napi::Value(env, to_js(environment, items[i])));
    }
    return array;
  }
  throw Error(ErrorCode::kUnsupported, "a result of kind " + value.tagKind() + " cannot cross");
}

}  // namespace torchsight
