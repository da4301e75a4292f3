// What belongs to one JavaScript environment: its handles, its jobs, and its way back to
// JavaScript.
#pragma once

#include <napi.h>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings/events.h"
#include "bindings/handles.h"
#include "runtime/lane.h"
#include "runtime/module.h"
#include "runtime/shared_session.h"

namespace torchsight {

class Environment;
struct Overload;  // bindings/operators.h

struct TensorHandle {
  at::Tensor tensor;
  int64_t bytes = 0;
};

/// Makes the value that a job settles with, on the JavaScript thread.
using ResultBuilder = std::function<napi_value(Environment&)>;

class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();

  /// Ends the environment's jobs and closes its way back to JavaScript. Runs as a cleanup hook: by
  /// the time finalizers run, the thread-safe function is gone.
  void shut_down();

  static Environment& of(Napi::Env env);

  Napi::Env env() const noexcept { return env_; }

  double add_tensor(at::Tensor tensor);
  const at::Tensor& tensor(double handle) { return tensors.at(handle).tensor; }
  void free_tensor(double handle);
  /// Tells V8 of the bytes that handles keep alive; small changes are gathered.
  void account(int64_t bytes);
  void flush_account();

  /// Submits a job to the lane of `device` and returns its number. `result` runs on the JavaScript
  /// thread if the job ends well, after the work, and is dropped otherwise.
  double submit(JobSpec spec, ResultBuilder result, at::Device device = at::kCPU);
  /// Drops what is kept of a job that has settled.
  void forget(double job);
  /// Reads a `JobOptions` of addon.ts.
  JobSpec job_spec(Napi::Value options);

  HandleTable<TensorHandle> tensors{"tensor"};
  HandleTable<std::shared_ptr<Module>> modules{"module"};
  HandleTable<std::shared_ptr<SharedSession>> sessions{"session"};
  std::unordered_map<double, std::shared_ptr<Job>> jobs;
  std::vector<std::unique_ptr<Overload>> overloads;
  std::unordered_map<std::string, std::vector<size_t>> overloads_by_name;
  int64_t live_bytes = 0;
  Napi::ObjectReference listener;

 private:
  Napi::Env env_;
  std::shared_ptr<EventQueue> events_ = std::make_shared<EventQueue>();
  double next_job_ = 1;
  int64_t unaccounted_ = 0;
};

/// Runs `body` and turns what it throws into a JavaScript exception with a code.
napi_value guarded(napi_env env, const std::function<napi_value()>& body);

/// `[name, TensorId][]`, and back.
napi_value named_tensors_to_js(Environment& environment, NamedTensors& tensors);
NamedTensors named_tensors_from_js(Environment& environment, const Napi::Value& pairs);
std::vector<at::Tensor> tensors_of(const NamedTensors& tensors);

/// Where work on these tensors is done: the first device that is not the CPU.
at::Device lane_device(const std::vector<at::Tensor>& tensors);

/// An `Error` as a JavaScript Error object with `code`, and `reason` and `retryAfter` if it has
/// them.
Napi::Error to_js_error(Napi::Env env, const Error& error, double retry_after = 0);

}  // namespace torchsight
