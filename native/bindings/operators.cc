#include "bindings/operators.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/OperatorOptions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>

#include "bindings/functions.h"

namespace torchsight {
namespace {

using Stack = std::vector<c10::IValue>;
constexpr size_t kMaxArguments = 72;

// Prints a type as PyTorch's schemas do: `int[2]`, `ScalarType?`, `Tensor(a!)` without its alias.
std::string type_text(const c10::Argument& argument) {
  std::string text = argument.real_type()->str();
  if (const auto length = argument.N()) {
    const size_t bracket = text.find("[]");
    if (bracket != std::string::npos) text.insert(bracket + 1, std::to_string(*length));
  }
  return text;
}

bool is_written(const c10::Argument& argument) {
  return argument.alias_info() && argument.alias_info()->isWrite();
}

Napi::Object describe(Environment& environment, const Overload& overload, size_t id) {
  Napi::Env env = environment.env();
  const c10::FunctionSchema& schema = overload.handle.schema();
  Napi::Object result = Napi::Object::New(env);
  result.Set("id", static_cast<double>(id));
  result.Set("overload", schema.overload_name());
  Napi::Array arguments = Napi::Array::New(env);
  for (const c10::Argument& argument : schema.arguments()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", argument.name());
    entry.Set("type", type_text(argument));
    entry.Set("keywordOnly", argument.kwarg_only());
    entry.Set("written", is_written(argument));
    if (argument.default_value()) {
      entry.Set("default", Napi::Value(env, to_js(environment, *argument.default_value())));
    }
    arguments.Set(arguments.Length(), entry);
  }
  result.Set("arguments", arguments);
  Napi::Array returns = Napi::Array::New(env);
  for (const c10::Argument& argument : schema.returns()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", argument.name());
    entry.Set("type", type_text(argument));
    entry.Set("written", is_written(argument));
    returns.Set(returns.Length(), entry);
  }
  result.Set("returns", returns);
  return result;
}

const std::vector<size_t>& overloads_of(Environment& environment, const std::string& name) {
  auto& known = environment.overloads_by_name;
  if (const auto found = known.find(name); found != known.end()) return found->second;
  std::vector<size_t> ids;
  for (const c10::OperatorName& entry : c10::Dispatcher::singleton().getAllOpNames()) {
    if (entry.name != name) continue;
    auto handle = c10::Dispatcher::singleton().findSchema(entry);
    if (!handle) continue;
    ids.push_back(environment.overloads.size());
    environment.overloads.push_back(std::make_unique<Overload>(*handle));
  }
  if (ids.empty()) throw Error(ErrorCode::kNotFound, "there is no operator " + name);
  return known[name] = std::move(ids);
}

Overload& overload_at(Environment& environment, napi_value value) {
  double id = -1;
  napi_get_value_double(environment.env(), value, &id);
  if (!(id >= 0 && id < static_cast<double>(environment.overloads.size()))) {
    throw Error(ErrorCode::kBadInput, "expected the number of an overload");
  }
  return *environment.overloads[static_cast<size_t>(id)];
}

// The argument list of a call; `values` may be shorter than the schema where defaults follow.
Stack make_stack(Environment& environment, const Overload& overload, const napi_value* values,
                 size_t count) {
  const auto& schema = overload.handle.schema();
  if (count > overload.parameters.size()) {
    throw Error(ErrorCode::kBadInput, "expected at most " +
                                          std::to_string(overload.parameters.size()) +
                                          " arguments for " + schema.name());
  }
  Stack stack;
  stack.reserve(std::max<size_t>(overload.parameters.size(), 4));
  for (size_t i = 0; i < overload.parameters.size(); ++i) {
    const auto& parameter = overload.parameters[i];
    if (parameter.fallback) {
      napi_valuetype type = napi_undefined;
      if (i < count) napi_typeof(environment.env(), values[i], &type);
      if (type == napi_undefined) {
        stack.push_back(*parameter.fallback);
        continue;
      }
    }
    napi_value value = i < count ? values[i] : environment.env().Undefined();
    stack.push_back(to_ivalue(environment, value, parameter.type, schema.arguments()[i].name()));
  }
  return stack;
}

template <typename Visit>
void visit_tensors(const Overload& overload, const Stack& stack, Visit visit) {
  for (size_t i = 0; i < stack.size(); ++i) {
    const bool written = overload.parameters[i].written;
    if (stack[i].isTensor()) {
      visit(stack[i].toTensor(), written);
    } else if (stack[i].isTensorList()) {
      for (const at::Tensor& tensor : stack[i].toTensorVector()) visit(tensor, written);
    } else if (stack[i].isList()) {
      for (const c10::IValue& item : stack[i].toListRef()) {
        if (item.isTensor()) visit(item.toTensor(), written);
      }
    }
  }
}

napi_value stack_to_js(Environment& environment, const Stack& stack) {
  if (stack.size() == 1) return to_js(environment, stack[0]);
  if (stack.empty()) return environment.env().Undefined();
  Napi::Array results = Napi::Array::New(environment.env(), stack.size());
  for (uint32_t i = 0; i < stack.size(); ++i) {
    results.Set(i, Napi::Value(environment.env(), to_js(environment, stack[i])));
  }
  return results;
}

// The one function that small work goes through, so it uses the C interface without wrappers.
napi_value call(napi_env env, napi_callback_info info) {
  napi_value values[kMaxArguments];
  size_t count = kMaxArguments;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  auto& environment = *static_cast<Environment*>(data);
  try {
    if (count > kMaxArguments) throw Error(ErrorCode::kBadInput, "too many arguments");
    const Overload& overload = overload_at(environment, values[0]);
    Stack stack = make_stack(environment, overload, values + 1, count - 1);
    visit_tensors(overload, stack, check_free);
    overload.handle.callBoxed(stack);
    return stack_to_js(environment, stack);
  } catch (...) {
    return guarded(env, []() -> napi_value { throw; });
  }
}

// Where an operator computes: where what it writes is, or it is told to, or what it reads is.
at::Device operator_device(const Stack& stack, const std::vector<at::Tensor>& read,
                           const std::vector<at::Tensor>& written) {
  if (!written.empty()) return lane_device(written);
  for (const c10::IValue& value : stack) {
    if (value.isDevice() && is_accelerator(value.toDevice())) return value.toDevice();
  }
  return lane_device(read);
}

napi_value submit(Environment& environment, const Napi::CallbackInfo& info) {
  const Overload& overload = overload_at(environment, info[0]);
  const auto array = info[1].As<Napi::Array>();
  std::vector<napi_value> values;
  for (uint32_t i = 0; i < array.Length(); ++i) values.push_back(array.Get(i));
  auto stack =
      std::make_shared<Stack>(make_stack(environment, overload, values.data(), values.size()));
  JobSpec spec = environment.job_spec(info[2]);
  std::vector<at::Tensor> read, written;
  visit_tensors(overload, *stack, [&](const at::Tensor& tensor, bool writes) {
    (writes ? written : read).push_back(tensor);
    if (tensor.defined()) spec.input_bytes += static_cast<int64_t>(tensor.nbytes());
  });
  auto borrow = std::make_shared<Borrow>(read, written);
  spec.work = [handle = overload.handle, stack, borrow](JobContext&) {
    Stack values = *stack;  // the work may be repeated
    handle.callBoxed(values);
    *stack = std::move(values);
  };
  const at::Device device = operator_device(*stack, read, written);
  spec.repeatable = is_accelerator(device) && written.empty();
  const double job = environment.submit(
      std::move(spec),
      [stack](Environment& environment) { return stack_to_js(environment, *stack); }, device);
  return Napi::Number::New(info.Env(), job);
}

napi_value names(Environment&, const Napi::CallbackInfo& info) {
  std::set<std::string> names;
  for (const auto& entry : c10::Dispatcher::singleton().getAllOpNames()) names.insert(entry.name);
  Napi::Array array = Napi::Array::New(info.Env(), names.size());
  uint32_t i = 0;
  for (const std::string& name : names) array.Set(i++, name);
  return array;
}

napi_value overloads(Environment& environment, const Napi::CallbackInfo& info) {
  Napi::Array array = Napi::Array::New(info.Env());
  for (size_t id : overloads_of(environment, info[0].As<Napi::String>().Utf8Value())) {
    array.Set(array.Length(), describe(environment, *environment.overloads[id], id));
  }
  return array;
}

napi_value set_grad(Environment&, const Napi::CallbackInfo& info) {
  c10::GradMode::set_enabled(info[0].As<Napi::Boolean>().Value());
  return info.Env().Undefined();
}

napi_value manual_seed(Environment&, const Napi::CallbackInfo& info) {
  at::manual_seed(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

}  // namespace

Overload::Overload(c10::OperatorHandle op) : handle(std::move(op)) {
  for (const c10::Argument& argument : handle.schema().arguments()) {
    parameters.push_back(
        {ArgumentType::of(argument), is_written(argument), argument.default_value()});
  }
}

void add_operator_functions(Napi::Env env, Napi::Object exports) {
  napi_value function;
  napi_create_function(env, "call", NAPI_AUTO_LENGTH, call, &Environment::of(env), &function);
  exports.Set("call", Napi::Value(env, function));
  add_function(env, exports, "submitOperator", submit);
  add_function(env, exports, "operatorNames", names);
  add_function(env, exports, "overloads", overloads);
  add_function(env, exports, "setGrad", set_grad);
  add_function(env, exports, "manualSeed", manual_seed);
}

}  // namespace torchsight
