#include "runtime/whole_session.h"

#include "runtime/error.h"

namespace torchsight {

void require_whole(const Session& session) {
  if (dynamic_cast<const WholeSession*>(&session)) return;
  // Each rank has a state of its own, and only one of them could be told.
  throw Error(ErrorCode::kUnsupported,
              "expected a session in one process for a snapshot but this model is sharded");
}

}  // namespace torchsight
