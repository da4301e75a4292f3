// The files of ranks and the manifest over them: what saving and re-sharding have in common.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/shard_manifest.h"
#include "runtime/module.h"

namespace torchsight {

/// One save of a module over ranks.
struct ShardedSave {
  std::filesystem::path folder;
  int64_t ranks = 1;
  std::string layout;
  /// What tells the files of this save from those of all others: in their names and in their
  /// headers, so that no other save's file passes for one of them.
  std::string mark;
};

/// A mark that no other save has.
std::string fresh_mark();

/// What one rank has written.
struct RankShard {
  ShardManifest::File file;  // without a name where the rank had nothing to write
  /// Of every parameter, in the module's order; without length where a rank before has written it.
  std::vector<std::optional<Cut>> cuts;

  Json to_json() const;
  static RankShard from_json(const Json& json);
};

/// Writes the file of one rank: the parameters that it is the first to hold that part of and, on
/// rank 0, those that every rank holds whole. `value` gives the rank's part of the parameter of
/// that number, and is asked for one at a time.
RankShard write_rank(const ShardedSave& save, int64_t rank,
                     const std::vector<Parameter>& parameters,
                     const std::function<at::Tensor(size_t)>& value);

/// Writes `config`, the text of config.json, unless it is empty, and then the manifest: from there
/// on, and not before, the folder has the weights of this save. What other saves have left there is
/// removed. `parameters` are any rank's. Throws `Error(kInternal)` where the parts of the ranks do
/// not tile every parameter.
void finish_shards(const ShardedSave& save, const std::vector<Parameter>& parameters,
                   const std::vector<RankShard>& shards, const std::string& config);

/// Writes a small text file that appears whole or not at all.
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace torchsight
