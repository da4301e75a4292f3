// The index of a checkpoint in shards: JSON from anywhere that names files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"

namespace torchsight {

/// The largest index that is read; those of the largest public models have 10 MB.
constexpr uint64_t kMaxIndex = uint64_t{16} << 20;

/// What an index file says.
struct CheckpointIndex {
  std::vector<std::pair<std::string, std::string>> weight_map;  // tensor, file
  std::optional<int64_t> total_size;
  Json metadata;
};

/// Parses and checks the text of an index. Every refusal is an `Error(kBadCheckpoint)` with a
/// reason of its own; file names have to pass `check_shard_name`.
CheckpointIndex parse_index(std::string_view text, std::string_view what);

/// Shards are plain files of the index's own folder. Throws `Error(kBadCheckpoint)` for names that
/// are empty, absolute, or have a separator, "..", a backslash, a colon or a control character.
void check_shard_name(const std::string& name, std::string_view what);

}  // namespace torchsight
