// Loading as data: TypeScript resolves names into a flat plan, the core executes and checks it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"
#include "runtime/module.h"

namespace torchsight {

/// One parameter of the module and the tensors of files that make it.
struct LoadEntry {
  struct Source {
    std::string file;
    std::string tensor;
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

/// Fills every parameter of `module`: reads what its cut needs, applies the steps, converts the
/// dtype, checks the shape. Parameters without an entry and entries without a parameter are
/// `Error(kBadCheckpoint)` with a report of all of them. Polls `context` between parameters.
void execute(const LoadPlan& plan, Module& module, JobContext& context);

/// Fills every parameter from `seed` by its `Init`. The values depend on the name and the full
/// shape alone, so ranks of a sharded module hold slices of the unsharded one's values.
void initialize(Module& module, uint64_t seed, JobContext& context);

/// Writes every parameter as safetensors into `folder`, in shards of at most `shard_bytes` (0: one
/// file). Throws `Error(kUnsupported)` for sharded modules.
void save(Module& module, const std::filesystem::path& folder, uint64_t shard_bytes,
          JobContext& context);

}  // namespace torchsight
