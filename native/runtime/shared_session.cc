#include "runtime/shared_session.h"

#include "runtime/steady.h"

namespace torchsight {

NamedTensors SharedSession::call(const std::string& method, Call& call, JobContext& context) {
  std::unique_lock turn(turn_, std::defer_lock);
  {
    JobContext::Yielded yielded(context);
    turn.lock();
  }
  for (const MethodSchema& schema : session_->schemas()) {
    if (schema.name == method) schema.check(call.inputs, call.options);
  }
  const Steady steady(module_->options().group != nullptr);
  return session_->call(method, call, context);
}

NamedTensors SharedSession::snapshot() {
  std::lock_guard turn(turn_);
  return session_->snapshot();
}

void SharedSession::restore(const NamedTensors& state) {
  std::lock_guard turn(turn_);
  session_->restore(state);
}

}  // namespace torchsight
