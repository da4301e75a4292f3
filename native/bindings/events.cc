#include "bindings/events.h"

#include "bindings/environment.h"

namespace torchsight {

void EventQueue::open(Napi::Env env, Environment* environment) {
  function_ = Napi::ThreadSafeFunction::New(
      env,
      Napi::Function::New(env,
                          [this, environment](const Napi::CallbackInfo&) { drain(*environment); }),
      "torchsight jobs", 0, 1);
  function_.Unref(env);
  std::lock_guard lock(mutex_);
  open_ = true;
}

void EventQueue::close() noexcept {
  std::lock_guard lock(mutex_);
  open_ = false;
  events_.clear();
  progress_.clear();
  function_.Release();
}

void EventQueue::wake() {
  if (woken_) return;
  woken_ = true;
  function_.NonBlockingCall();
}

void EventQueue::post(Event event) {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  events_.push_back(std::move(event));
  wake();
}

void EventQueue::post_progress(double job, Progress progress) {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  auto& latest = progress_[job];
  if (latest) {
    *latest = std::move(progress);
    return;
  }
  latest = std::make_shared<Progress>(std::move(progress));
  events_.push_back([this, job](Environment& environment) {
    std::shared_ptr<Progress> state;
    {
      std::lock_guard lock(mutex_);
      auto found = progress_.find(job);
      if (found == progress_.end()) return;
      state = std::move(found->second);
      progress_.erase(found);
    }
    Napi::Env env = environment.env();
    environment.listener.Get("progress")
        .As<Napi::Function>()
        .Call(environment.listener.Value(),
              {Napi::Number::New(env, job), Napi::Number::New(env, state->done),
               Napi::Number::New(env, state->total), Napi::String::New(env, state->phase)});
  });
  wake();
}

void EventQueue::hold(Napi::Env env, bool held) {
  held ? function_.Ref(env) : function_.Unref(env);
}

void EventQueue::drain(Environment& environment) {
  std::vector<Event> events;
  {
    std::lock_guard lock(mutex_);
    woken_ = false;
    events.swap(events_);
  }
  for (auto& event : events) {
    Napi::HandleScope scope(environment.env());
    try {
      event(environment);
    } catch (const Napi::Error&) {
      // Listeners contain what users throw, so this is an environment that is ending: the events
      // behind this one still have to be let go of.
    }
    event = nullptr;
  }
}

}  // namespace torchsight
