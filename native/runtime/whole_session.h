// Sessions that a group of ranks can save and take up again.
#pragma once

#include "runtime/module.h"

namespace torchsight {

/// A session whose snapshots are those of the whole module: all ranks of a group make one together,
/// or restore one, and each has the same.
class WholeSession : public Session {};

/// Throws `Error(kUnsupported)` for a session of one of several ranks that is another.
void require_whole(const Session& session);

}  // namespace torchsight
