// Ranks of a group must load the same: a checkpoint that changed between them would give features
// of no model at all.
#pragma once

#include <string>

#include "runtime/loader.h"
#include "runtime/plan_match.h"

namespace torchsight {

class Group;

/// What ranks compare before they load, as digests.
struct LoadSummary {
  std::string config;   // the model's config
  std::string options;  // dtype, seed and the system's own options, the layout among them
  std::string plan;     // which tensors of which files make which parameter; folders may differ
  std::string files;    // names, dtypes, shapes, places and metadata of all tensors in the files
};

/// Opens the files of the plan and sums up what is to be loaded.
LoadSummary summarize(const LoadRequest& request, const LoadPlan& plan, PlanFiles& files);

/// Throws the same `Error(kBadCheckpoint)` with the reason RANKS_DIFFER on all ranks unless they
/// have equal summaries.
void agree_on(const LoadSummary& summary, Group& group);

}  // namespace torchsight
