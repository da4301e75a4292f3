// What ranks of a group do side by side and end alike: loading and saving.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/job.h"

namespace torchsight {

class Group;

/// Runs `work` on every rank of `group`, at each rank's own speed, and returns on all ranks or
/// throws on all of them: where a rank's work fails, the others end theirs at its next checkpoint
/// and throw an error of the same code that names the rank. A second thread has the ranks meet many
/// times a second meanwhile, so however long the work takes, no collective waits for it. `work`
/// must not use the group. Without a group it simply runs.
void together(Group* group, JobContext& context, const std::function<void(JobContext&)>& work);

/// The texts of all ranks, by rank.
std::vector<std::string> gather_texts(Group& group, const std::string& text);

}  // namespace torchsight
