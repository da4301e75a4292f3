#include "bindings/environment.h"

#include "runtime/threads.h"

#include "bindings/operators.h"

namespace torchsight {
namespace {

// V8 is told of native bytes in steps: telling it costs as much as a small operator.
constexpr int64_t kAccountStep = int64_t{1} << 18;

}  // namespace

Environment::Environment(Napi::Env env) : env_(env) {
  events_->open(env, this);
  keep_to_one_thread();
}

Environment::~Environment() = default;

void Environment::shut_down() {
  Lane::drain_all(this);
  events_->close();
  flush_account();
}

Environment& Environment::of(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

double Environment::add_tensor(at::Tensor tensor) {
  TensorHandle handle;
  handle.bytes = tensor.is_meta() ? 0 : static_cast<int64_t>(tensor.nbytes());
  handle.tensor = std::move(tensor);
  const int64_t bytes = handle.bytes;
  const double id = tensors.add(std::move(handle));
  account(bytes);
  return id;
}

void Environment::free_tensor(double handle) {
  const TensorHandle freed = tensors.remove(handle);
  account(-freed.bytes);
}

void Environment::account(int64_t bytes) {
  live_bytes += bytes;
  unaccounted_ += bytes;
  if (unaccounted_ >= kAccountStep || unaccounted_ <= -kAccountStep) flush_account();
}

void Environment::flush_account() {
  if (unaccounted_ == 0) return;
  Napi::MemoryManagement::AdjustExternalMemory(env_, unaccounted_);
  unaccounted_ = 0;
}

JobSpec Environment::job_spec(Napi::Value value) {
  const auto options = value.As<Napi::Object>();
  JobSpec spec;
  spec.priority = static_cast<Priority>(options.Get("priority").As<Napi::Number>().Int32Value());
  const double deadline = options.Get("deadline").As<Napi::Number>().DoubleValue();
  if (deadline > 0) {
    const std::chrono::duration<double, std::milli> wait(deadline);
    spec.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
  }
  spec.grad = options.Get("grad").As<Napi::Boolean>().Value();
  spec.stream_capacity = options.Get("streamCapacity").As<Napi::Number>().Uint32Value();
  spec.owner = this;
  return spec;
}

napi_value named_tensors_to_js(Environment& environment, NamedTensors& tensors) {
  Napi::Env env = environment.env();
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::String::New(env, tensors[i].first));
    pair.Set(1u, Napi::Number::New(env, environment.add_tensor(std::move(tensors[i].second))));
    array.Set(i, pair);
  }
  return array;
}

NamedTensors named_tensors_from_js(Environment& environment, const Napi::Value& pairs) {
  NamedTensors tensors;
  const auto array = pairs.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto pair = array.Get(i).As<Napi::Array>();
    tensors.emplace_back(pair.Get(0u).As<Napi::String>().Utf8Value(),
                         environment.tensor(pair.Get(1u).As<Napi::Number>().DoubleValue()));
  }
  return tensors;
}

std::vector<at::Tensor> tensors_of(const NamedTensors& tensors) {
  std::vector<at::Tensor> values;
  for (const auto& [name, tensor] : tensors) values.push_back(tensor);
  return values;
}

at::Device lane_device(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && is_accelerator(tensor.device())) return tensor.device();
  }
  return at::kCPU;
}

namespace {

// Posts what happens to one job to the environment that submitted it.
class Reporter final : public JobObserver {
 public:
  Reporter(std::shared_ptr<EventQueue> events, double job, ResultBuilder result)
      : events_(std::move(events)), job_(job), result_(std::move(result)) {}

  void started() override {
    events_->post([job = job_](Environment& environment) {
      call(environment, "started", {Napi::Number::New(environment.env(), job)});
    });
  }

  void progress(const Progress& progress) override { events_->post_progress(job_, progress); }

  void item(NamedTensors tensors) override {
    events_->post([job = job_, tensors = std::move(tensors)](Environment& environment) mutable {
      call(environment, "item",
           {Napi::Number::New(environment.env(), job), named_tensors_to_js(environment, tensors)});
    });
  }

  void finished(std::optional<Error> error, const JobStats& stats) override {
    events_->post([job = job_, error = std::move(error), stats,
                   result = std::move(result_)](Environment& environment) {
      settle(environment, job, error, result, stats);
    });
  }

 private:
  static void call(Environment& environment, const char* name,
                   const std::vector<napi_value>& arguments) {
    environment.listener.Get(name).As<Napi::Function>().Call(environment.listener.Value(),
                                                             arguments);
  }

  static void settle(Environment& environment, double job, const std::optional<Error>& error,
                     const ResultBuilder& result, const JobStats& stats) {
    Napi::Env env = environment.env();
    environment.forget(job);
    napi_value failure = env.Undefined();
    napi_value value = env.Undefined();
    if (error) {
      failure = to_js_error(env, *error).Value();
    } else {
      try {
        value = result ? result(environment) : env.Undefined();
      } catch (...) {
        failure = to_js_error(env, current_error()).Value();
      }
    }
    Napi::Object told = Napi::Object::New(env);
    told.Set("queued", stats.queued);
    told.Set("ran", stats.ran);
    told.Set("peakBytes", static_cast<double>(stats.peak_bytes));
    call(environment, "settled", {Napi::Number::New(env, job), failure, value, told});
  }

  std::shared_ptr<EventQueue> events_;
  double job_;
  ResultBuilder result_;
};

}  // namespace

double Environment::submit(JobSpec spec, ResultBuilder result, at::Device device) {
  const double id = next_job_++;
  spec.observer = std::make_shared<Reporter>(events_, id, std::move(result));
  if (jobs.empty()) events_->hold(env_, true);
  try {
    jobs[id] = Lane::of(device).submit(std::move(spec));
  } catch (...) {
    forget(id);
    throw;
  }
  return id;
}

void Environment::forget(double job) {
  jobs.erase(job);
  if (jobs.empty()) events_->hold(env_, false);
}

Napi::Error to_js_error(Napi::Env env, const Error& error, double retry_after) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", Napi::String::New(env, std::string(to_string(error.code()))));
  if (!error.reason().empty()) result.Set("reason", Napi::String::New(env, error.reason()));
  if (retry_after > 0) result.Set("retryAfter", Napi::Number::New(env, retry_after));
  return result;
}

napi_value guarded(napi_env env, const std::function<napi_value()>& body) {
  try {
    return body();
  } catch (const QueueFull& error) {
    to_js_error(env, error, error.retry_after()).ThrowAsJavaScriptException();
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (...) {
    to_js_error(env, current_error()).ThrowAsJavaScriptException();
  }
  return nullptr;
}

}  // namespace torchsight
