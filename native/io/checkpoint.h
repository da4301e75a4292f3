// Model folders: one safetensors file, or shards with an index. Paths are hostile input too.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/checkpoint_index.h"
#include "io/json.h"
#include "io/safetensors.h"

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

/// The files of a checkpoint, all open and checked against each other.
class Checkpoint {
 public:
  /// `path` is a tensor file, an index (*.json), or a folder with either; a folder's single file
  /// goes before its index. Throws `Error(kNotFound)` or `Error(kBadCheckpoint)`.
  static Checkpoint open(const std::filesystem::path& path, const OpenPolicy& policy = {});

  const std::vector<std::unique_ptr<TensorFile>>& files() const noexcept { return files_; }

  /// {files, tensors: [{name, dtype, shape, bytes, file}], metadata, parameters}. Dtypes that
  /// libtorch lacks keep the file's own token.
  Json inspect() const;

 private:
  void open_index(const std::filesystem::path& path, const OpenPolicy& policy);

  std::vector<std::unique_ptr<TensorFile>> files_;
  Json metadata_ = Json::Object{};
};

/// Writes tensors as `model.safetensors`, or as shards of at most `shard_bytes` each with an index
/// where they need more than one; 0 stands for no limit. `value` is asked for one tensor at a time.
/// What an earlier save left in the folder under these names is replaced or removed.
void write_checkpoint(const std::filesystem::path& folder,
                      const std::vector<TensorOutline>& tensors, uint64_t shard_bytes,
                      const std::function<at::Tensor(const TensorOutline&)>& value,
                      const Metadata& metadata = {});

}  // namespace torchsight
