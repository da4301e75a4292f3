// Model folders: one safetensors file, shards with an index, or files of ranks with a manifest.
// Paths are hostile input too.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/checkpoint_index.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/shard_manifest.h"

namespace torchsight {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
struct OpenPolicy {
  /// Refuses files with more than one name. Off by default: package managers and backups link the
  /// files that they share, and a shard is only ever read as checked safetensors data.
  bool refuse_hard_links = false;
};

/// Opens a shard of `folder`. A symbolic link is refused, but for those of the hub's cache:
/// models--X/snapshots/REVISION/FILE may point to a plain file of models--X/blobs.
InputFile open_shard(const std::filesystem::path& folder, const std::string& name,
                     const OpenPolicy& policy = {});

/// The same for a shard that an index or a manifest names: a missing one is an
/// `Error(kBadCheckpoint)` with the reason MISSING_SHARD.
InputFile open_beside(const std::filesystem::path& index, const std::string& name,
                      const OpenPolicy& policy = {});

/// The text of an index or a manifest, if it is not larger than `kMaxIndex`.
std::string read_index_text(const InputFile& file);

/// The files of a checkpoint, all open and checked against each other.
class Checkpoint {
 public:
  /// `path` is a tensor file, an index (*.json), a manifest (by its name), or a folder with any of
  /// them. A folder's manifest, which is written last, goes before its single file, and that before
  /// its index. Throws `Error(kNotFound)` or `Error(kBadCheckpoint)`.
  static Checkpoint open(const std::filesystem::path& path, const OpenPolicy& policy = {});

  const std::vector<std::unique_ptr<TensorFile>>& files() const noexcept { return files_; }

  /// {files, tensors: [{name, dtype, shape, bytes, file}], metadata, parameters}. Dtypes that
  /// libtorch lacks keep the file's own token. With a manifest, tensors are the full ones; one that
  /// lies in pieces has the manifest as its file, and {cut, pieces: [{file, begin, length}]}, and
  /// the whole has the manifest's config.
  Json inspect() const;

 private:
  void open_index(const std::filesystem::path& path, const OpenPolicy& policy);
  void open_manifest(const std::filesystem::path& path, const OpenPolicy& policy);
  Json inspect_manifest() const;

  std::vector<std::unique_ptr<TensorFile>> files_;
  Json metadata_ = Json::Object{};
  std::optional<ShardManifest> manifest_;
  std::string manifest_name_;
};

/// Makes the folder if it is missing. Throws `Error(kBadInput)` where there can be none.
void make_folder(const std::filesystem::path& folder);

/// The name of a rank's file; `mark` differs from save to save.
std::string rank_file_name(int64_t rank, int64_t ranks, const std::string& mark);

/// Removes weights that other saves have left in the folder: what a save has not `kept` could be
/// read in its place.
void remove_other_weights(const std::filesystem::path& folder, const std::set<std::string>& kept);

/// Writes tensors as `model.safetensors`, or as shards of at most `shard_bytes` each with an index
/// where they need more than one; 0 stands for no limit. `value` is asked for one tensor at a time.
/// What an earlier save left in the folder under these names is replaced or removed.
void write_checkpoint(const std::filesystem::path& folder,
                      const std::vector<TensorOutline>& tensors, uint64_t shard_bytes,
                      const std::function<at::Tensor(const TensorOutline&)>& value,
                      const Metadata& metadata = {});

}  // namespace torchsight
