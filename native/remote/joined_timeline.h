// One timeline of a call that several processes make together.
#pragma once

#include <string>

#include "runtime/timeline.h"

namespace torchsight {

class Group;

/// Adds what all other ranks of the group have noted to the `timeline` of each. `clock` names this
/// rank's clock, and `met` is when it came to a point at which all were within the time of a
/// message: ranks of another clock, which counts from another beginning, are moved to agree on it.
void join_timelines(Group& group, Timeline& timeline, const std::string& clock,
                    Timeline::Clock::time_point met);

}  // namespace torchsight
