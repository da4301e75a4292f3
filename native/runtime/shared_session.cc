#include "runtime/shared_session.h"

#include "runtime/steady.h"

namespace torchsight {
namespace {

Gate::Place enter(Gate& turn, JobContext& context) {
  const JobContext::Yielded yielded(context);
  return turn.enter(context);
}

}  // namespace

NamedTensors SharedSession::call(const std::string& method, Call& call, JobContext& context) {
  const Gate::Place turn = enter(turn_, context);
  for (const MethodSchema& schema : session_->schemas()) {
    if (schema.name == method) schema.check(call.inputs, call.options);
  }
  const Steady steady(module_->options().group != nullptr);
  return session_->call(method, call, context);
}

NamedTensors SharedSession::snapshot(JobContext& context) {
  const Gate::Place turn = enter(turn_, context);
  return session_->snapshot();
}

void SharedSession::restore(const NamedTensors& state, JobContext& context) {
  const Gate::Place turn = enter(turn_, context);
  session_->restore(state);
}

}  // namespace torchsight
