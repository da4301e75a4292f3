#include "io/checkpoint.h"

#include <map>

#include "runtime/error.h"
#include "runtime/tensors.h"

namespace torchsight {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& what, const char* reason, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected " + expected + " in " + what + " but received " + received, reason);
}

// The plain file of models--X/blobs that a link of models--X/snapshots/REVISION points to, or an
// empty path where this is no such link.
fs::path blob_of(const fs::path& folder, const fs::path& link) {
  std::error_code error;
  const fs::path revision = fs::canonical(folder, error);
  if (error) return {};
  const fs::path snapshots = revision.parent_path(), model = snapshots.parent_path();
  if (snapshots.filename() != "snapshots" || !model.filename().string().starts_with("models--")) {
    return {};
  }
  const fs::path target = fs::canonical(link, error);
  return !error && target.parent_path() == model / "blobs" ? target : fs::path();
}

Json tensor_json(const TensorInfo& info, const std::string& file) {
  const auto type = scalar_type_of(info.dtype);
  Json::Array shape(info.shape.begin(), info.shape.end());
  return Json::Object{{"name", info.name},
                      {"dtype", std::string(type ? dtype_name(*type) : info.dtype)},
                      {"shape", std::move(shape)},
                      {"bytes", static_cast<int64_t>(info.bytes())},
                      {"file", file}};
}

}  // namespace

InputFile open_shard(const fs::path& folder, const std::string& name, const OpenPolicy& policy) {
  const fs::path path = folder / name;
  std::error_code error;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(path, error))) {
    target = blob_of(folder, path);
    if (target.empty()) {
      refuse(path.string(), "SYMLINK", "a plain file or a link of the hub's cache",
             "another symbolic link");
    }
  }
  InputFile file(target, /*follow=*/false);
  if (policy.refuse_hard_links && file.identity().links > 1) {
    refuse(path.string(), "HARD_LINK", "a file with one name",
           std::to_string(file.identity().links) + " names");
  }
  return file;
}

InputFile open_beside(const fs::path& index, const std::string& name, const OpenPolicy& policy) {
  try {
    return open_shard(index.has_parent_path() ? index.parent_path() : fs::path("."), name, policy);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    throw Error(ErrorCode::kBadCheckpoint,
                "expected the shard \"" + name + "\" beside " + index.string() +
                    " but there is no such file",
                "MISSING_SHARD");
  }
}

std::string read_index_text(const InputFile& file) {
  if (file.size() > kMaxIndex) {
    refuse(file.name(), "INDEX_TOO_LARGE", "an index of at most 16 MiB",
           std::to_string(file.size()));
  }
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  return text;
}

Checkpoint Checkpoint::open(const fs::path& path, const OpenPolicy& policy) {
  Checkpoint checkpoint;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (path.filename() == kManifestName) {
      checkpoint.open_manifest(path, policy);
    } else if (path.extension() == ".json") {
      checkpoint.open_index(path, policy);
    } else {
      checkpoint.files_.push_back(open_tensor_file(path));
      checkpoint.metadata_ = checkpoint.files_.front()->metadata();
    }
    return checkpoint;
  }
  if (fs::exists(fs::symlink_status(path / kManifestName, error))) {
    checkpoint.open_manifest(path / kManifestName, policy);
  } else if (fs::exists(fs::symlink_status(path / kSingleName, error))) {
    checkpoint.files_.push_back(
        std::make_unique<SafetensorsFile>(open_shard(path, kSingleName, policy)));
    checkpoint.metadata_ = checkpoint.files_.front()->metadata();
  } else if (fs::exists(fs::symlink_status(path / kIndexName, error))) {
    checkpoint.open_index(path / kIndexName, policy);
  } else {
    throw Error(ErrorCode::kBadCheckpoint,
                std::string("expected ") + kSingleName + ", " + kIndexName + " or " +
                    kManifestName + " in " + path.string() + " but received none of them",
                "NO_WEIGHTS");
  }
  return checkpoint;
}

void Checkpoint::open_index(const fs::path& path, const OpenPolicy& policy) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const InputFile text = open_shard(folder, path.filename().string(), policy);
  const CheckpointIndex index = parse_index(read_index_text(text), path.string());
  metadata_ = index.metadata.is_null() ? Json(Json::Object{}) : index.metadata;

  std::map<std::string, const TensorFile*> shards;
  for (const auto& [tensor, name] : index.weight_map) {
    if (shards.contains(name)) continue;
    files_.push_back(std::make_unique<SafetensorsFile>(open_beside(path, name, policy)));
    shards.emplace(name, files_.back().get());
  }
  KeySet names;
  uint64_t bytes = 0;
  for (const auto& [tensor, name] : index.weight_map) {
    const TensorInfo* info = shards.at(name)->find(tensor);
    if (!info) {
      refuse(path.string(), "TENSOR_NOT_IN_SHARD", "\"" + tensor + "\" in the shard " + name,
             "a shard without it");
    }
    bytes += info->bytes();
    names.insert(tensor);
  }
  for (const auto& [name, shard] : shards) {
    for (const TensorInfo& info : shard->tensors()) {
      const size_t entry = names.find(info.name);
      if (entry == KeySet::kAbsent) {
        refuse(path.string(), "TENSOR_NOT_IN_INDEX", "every tensor of the shard " + name,
               "no entry for \"" + info.name + "\"");
      }
      if (index.weight_map[entry].second != name) {
        refuse(path.string(), "TENSOR_IN_OTHER_SHARD",
               "\"" + info.name + "\" in " + index.weight_map[entry].second + " alone",
               "another one in " + name);
      }
    }
  }
  if (index.total_size && static_cast<uint64_t>(*index.total_size) != bytes) {
    refuse(path.string(), "TOTAL_SIZE", std::to_string(bytes) + " bytes as total_size",
           std::to_string(*index.total_size));
  }
}

Json Checkpoint::inspect() const {
  if (manifest_) return inspect_manifest();
  Json::Array files, tensors;
  int64_t parameters = 0;
  for (const auto& file : files_) {
    files.emplace_back(file->name());
    for (const TensorInfo& info : file->tensors()) {
      tensors.push_back(tensor_json(info, file->name()));
      parameters += info.elements();
    }
  }
  return Json::Object{{"files", std::move(files)},
                      {"tensors", std::move(tensors)},
                      {"metadata", metadata_},
                      {"parameters", parameters}};
}

}  // namespace torchsight
