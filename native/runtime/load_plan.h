// Loading as data: TypeScript resolves names into a flat plan, the core executes and checks it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/json.h"
#include "runtime/module.h"

namespace torchsight {

/// One parameter of the module and the tensors of files that make it.
struct LoadEntry {
  /// A tensor of one file, or, where there are `files`, what its pieces in each of them make when
  /// they are joined along `dim`. Of pieces only what the parameter's cut overlaps is read.
  struct Source {
    std::string file;
    std::string tensor;
    std::vector<std::string> files = {};
    int64_t dim = 0;
  };
  /// Applied to the list of source tensors in order; each step maps a list to a list, and one
  /// tensor must be left. `select` takes entry `begin` of `dim`, `slice` keeps [begin, end) of it,
  /// `transpose` swaps `dim` and `begin`, `concat`, `stack` and `add` make one tensor of the list.
  struct Step {
    enum class Kind { kSlice, kSelect, kTranspose, kPermute, kReshape, kConcat, kStack, kAdd };
    Kind kind;
    int64_t dim = 0;
    int64_t begin = 0;
    int64_t end = 0;
    std::vector<int64_t> shape;  // of kReshape, order of kPermute
  };
  std::string target;
  std::vector<Source> sources;
  std::vector<Step> steps;
};

struct LoadPlan {
  std::vector<LoadEntry> entries;
  static LoadPlan from_json(const Json& json);
};

class PlanFiles;  // runtime/plan_match.h

/// Fills every parameter of `module`: reads what its cut needs, applies the steps, converts the
/// dtype, checks the shape. Parameters without an entry and entries without a parameter are
/// `Error(kBadCheckpoint)` with a report of all of them. Polls `context` between parameters. Files
/// that `files` has open are not opened again.
void execute(const LoadPlan& plan, PlanFiles& files, Module& module, JobContext& context);
void execute(const LoadPlan& plan, Module& module, JobContext& context);

/// Fills every parameter from `seed` by its `Init`. The values depend on the name and the full
/// shape alone, so ranks of a sharded module hold slices of the unsharded one's values.
void initialize(Module& module, uint64_t seed, JobContext& context);

}  // namespace torchsight
