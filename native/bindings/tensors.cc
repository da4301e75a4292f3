#include "bindings/functions.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include "bindings/environment.h"
#include "bindings/values.h"
#include "runtime/borrow.h"
#include "runtime/memory.h"

namespace torchsight {
namespace {

// From this size on a read is handed over without another copy where the runtime allows it.
constexpr size_t kExternalFrom = size_t{1} << 16;

// Float16Array (11) is newer than the headers; node-addon-api reports 0 bytes for it.
size_t element_bytes(int type) {
  constexpr size_t kBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2};
  if (type < 0 || type >= static_cast<int>(std::size(kBytes))) {
    throw Error(ErrorCode::kBadInput, "expected a typed array of a known element type for data");
  }
  return kBytes[type];
}

std::vector<int64_t> to_shape(const Napi::Value& value) {
  std::vector<int64_t> shape;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    shape.push_back(array.Get(i).As<Napi::Number>().Int64Value());
    if (shape.back() < 0) throw Error(ErrorCode::kShape, "expected sizes of 0 or more for shape");
  }
  return shape;
}

template <typename T>
Napi::Array to_numbers(Napi::Env env, c10::ArrayRef<T> values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, static_cast<double>(values[i]));
  return array;
}

napi_value from(Environment& environment, const Napi::CallbackInfo& info) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[0], &type, &length, &data, nullptr, nullptr) !=
      napi_ok) {
    throw Error(ErrorCode::kBadInput, "expected a typed array for data");
  }
  const auto dtype = static_cast<at::ScalarType>(info[1].As<Napi::Number>().Int32Value());
  at::Tensor tensor = at::empty(to_shape(info[2]), dtype);
  const size_t bytes = length * element_bytes(type);
  if (tensor.nbytes() != bytes) {
    throw Error(ErrorCode::kShape, "expected " + std::to_string(tensor.nbytes()) +
                                       " bytes for data but received " + std::to_string(bytes));
  }
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data, bytes);
  return Napi::Number::New(info.Env(), environment.add_tensor(std::move(tensor)));
}

Napi::Value grad_fn_name(Napi::Env env, const at::Tensor& tensor) {
  const auto node = tensor.grad_fn();
  if (!node) return env.Null();
  const std::string name = node->name();
  const size_t space = name.rfind("::");
  return Napi::String::New(env, space == std::string::npos ? name : name.substr(space + 2));
}

napi_value describe(Environment& environment, const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = environment.tensor(to_handle(info[0]));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("dtype", static_cast<int>(tensor.scalar_type()));
  result.Set("shape", to_numbers(info.Env(), tensor.sizes()));
  const bool strided = tensor.layout() == at::kStrided;
  result.Set("strides", to_numbers(info.Env(), strided ? tensor.strides() : at::IntArrayRef()));
  result.Set("offset", strided ? static_cast<double>(tensor.storage_offset()) : 0.0);
  result.Set("device", tensor.device().str());
  result.Set("requiresGrad", tensor.requires_grad());
  result.Set("isLeaf", tensor.is_leaf());
  result.Set("gradFn", grad_fn_name(info.Env(), tensor));
  return result;
}

napi_value copied_buffer(Napi::Env env, const at::Tensor& tensor) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, tensor.nbytes());
  if (tensor.nbytes() > 0) std::memcpy(buffer.Data(), tensor.data_ptr(), tensor.nbytes());
  return buffer;
}

// An ArrayBuffer over the tensor's own memory; a copy where the runtime refuses that, as Electron.
napi_value new_or_copied_buffer(Napi::Env env, const at::Tensor& tensor) {
#ifndef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
  if (tensor.nbytes() >= kExternalFrom) {
    auto* kept = new at::Tensor(tensor);
    const auto finalize = [](napi_env, void*, void* hint) {
      delete static_cast<at::Tensor*>(hint);
    };
    napi_value buffer = nullptr;
    if (napi_create_external_arraybuffer(env, kept->data_ptr(), kept->nbytes(), finalize, kept,
                                         &buffer) == napi_ok) {
      return buffer;
    }
    delete kept;
  }
#endif
  return copied_buffer(env, tensor);
}

at::Tensor on_host(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
  // Gradients that are zero everywhere may come without memory.
  return host._is_zerotensor() ? host.clone() : host;
}

napi_value bytes(Environment& environment, const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = environment.tensor(to_handle(info[0]));
  check_free(tensor, /*writes=*/false);
  return copied_buffer(info.Env(), on_host(tensor));
}

napi_value submit_read(Environment& environment, const Napi::CallbackInfo& info) {
  const at::Tensor tensor = environment.tensor(to_handle(info[0]));
  JobSpec spec = environment.job_spec(info[1]);
  auto borrow = std::make_shared<Borrow>(std::vector{tensor}, std::vector<at::Tensor>{});
  auto result = std::make_shared<at::Tensor>();
  spec.input_bytes = static_cast<int64_t>(tensor.nbytes());
  // Always a copy: the buffer must not change with the tensor.
  spec.work = [tensor, borrow, result](JobContext&) {
    *result = on_host(tensor);
    if (result->is_alias_of(tensor)) *result = result->clone();
  };
  const double job = environment.submit(
      std::move(spec),
      [result](Environment& environment) {
        return new_or_copied_buffer(environment.env(), *result);
      },
      lane_device({tensor}));
  return Napi::Number::New(info.Env(), job);
}

napi_value free(Environment& environment, const Napi::CallbackInfo& info) {
  environment.free_tensor(to_handle(info[0]));
  return info.Env().Undefined();
}

napi_value set_requires_grad(Environment& environment, const Napi::CallbackInfo& info) {
  environment.tensor(to_handle(info[0])).set_requires_grad(info[1].As<Napi::Boolean>().Value());
  return info.Env().Undefined();
}

napi_value grad(Environment& environment, const Napi::CallbackInfo& info) {
  const at::Tensor& grad = environment.tensor(to_handle(info[0])).grad();
  if (!grad.defined()) return info.Env().Null();
  return Napi::Number::New(info.Env(), environment.add_tensor(grad));
}

napi_value set_grad(Environment& environment, const Napi::CallbackInfo& info) {
  at::Tensor tensor = environment.tensor(to_handle(info[0]));
  tensor.mutable_grad() = info[1].IsNull() ? at::Tensor() : environment.tensor(to_handle(info[1]));
  return info.Env().Undefined();
}

napi_value version(Environment& environment, const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = environment.tensor(to_handle(info[0]));
  return Napi::Number::New(info.Env(), static_cast<double>(tensor._version()));
}

napi_value counters(Environment& environment, const Napi::CallbackInfo& info) {
  environment.flush_account();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("tensors", static_cast<double>(environment.tensors.size()));
  result.Set("bytes", static_cast<double>(environment.live_bytes));
  return result;
}

// Tensors of an array of handles; null stands for an undefined tensor.
std::vector<at::Tensor> to_tensors(Environment& environment, const Napi::Value& value) {
  const auto handles = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < handles.Length(); ++i) {
    const Napi::Value handle = handles.Get(i);
    tensors.push_back(handle.IsNumber() ? environment.tensor(to_handle(handle)) : at::Tensor());
  }
  return tensors;
}

// Borrows what a pass over the graph starts from, for reading.
std::shared_ptr<Borrow> borrow_for_pass(const std::vector<at::Tensor>& outputs,
                                        const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> read = outputs;
  read.insert(read.end(), gradients.begin(), gradients.end());
  return std::make_shared<Borrow>(read, std::vector<at::Tensor>{});
}

napi_value submit_gradients(Environment& environment, const Napi::CallbackInfo& info) {
  const auto outputs = to_tensors(environment, info[0]);
  const auto gradients = to_tensors(environment, info[1]);
  const auto inputs = to_tensors(environment, info[2]);
  const bool retain = info[3].As<Napi::Boolean>().Value();
  const bool create = info[4].As<Napi::Boolean>().Value();
  const bool allow_unused = info[5].As<Napi::Boolean>().Value();
  JobSpec spec = environment.job_spec(info[6]);
  auto borrow = borrow_for_pass(outputs, gradients);
  auto results = std::make_shared<std::vector<at::Tensor>>();
  spec.work = [=](JobContext&) {
    *results =
        torch::autograd::grad(outputs, inputs, gradients, retain || create, create, allow_unused);
  };
  const double job = environment.submit(
      std::move(spec),
      [results](Environment& environment) {
        Napi::Env env = environment.env();
        Napi::Array array = Napi::Array::New(env, results->size());
        for (uint32_t i = 0; i < results->size(); ++i) {
          array.Set(i, Napi::Value(env, to_js(environment, (*results)[i])));
        }
        return napi_value(array);
      },
      lane_device(outputs));
  return Napi::Number::New(info.Env(), job);
}

napi_value submit_backward(Environment& environment, const Napi::CallbackInfo& info) {
  const auto tensors = to_tensors(environment, info[0]);
  const auto gradients = to_tensors(environment, info[1]);
  const bool retain = info[2].As<Napi::Boolean>().Value();
  const bool create = info[3].As<Napi::Boolean>().Value();
  JobSpec spec = environment.job_spec(info[4]);
  auto borrow = borrow_for_pass(tensors, gradients);
  spec.work = [tensors, gradients, borrow, retain, create](JobContext&) {
    torch::autograd::backward(tensors, gradients, retain || create, create);
  };
  const double job = environment.submit(std::move(spec), nullptr, lane_device(tensors));
  return Napi::Number::New(info.Env(), job);
}

}  // namespace

void add_tensor_functions(Napi::Env env, Napi::Object exports) {
  add_function(env, exports, "tensorFrom", from);
  add_function(env, exports, "tensorInfo", describe);
  add_function(env, exports, "tensorBytes", bytes);
  add_function(env, exports, "tensorFree", free);
  add_function(env, exports, "tensorSetRequiresGrad", set_requires_grad);
  add_function(env, exports, "tensorGrad", grad);
  add_function(env, exports, "tensorSetGrad", set_grad);
  add_function(env, exports, "tensorVersion", version);
  add_function(env, exports, "tensorCounters", counters);
  add_function(env, exports, "submitRead", submit_read);
  add_function(env, exports, "submitBackward", submit_backward);
  add_function(env, exports, "submitGrad", submit_gradients);
}

}  // namespace torchsight
