// Checkpoints of several ranks: the files that a manifest names, checked against it.
#include "io/checkpoint.h"
#include "runtime/error.h"
#include "runtime/tensors.h"

namespace torchsight {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& file, const char* reason, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected " + expected + " in " + file + " but received " + received, reason);
}

// The file as the manifest has seen it. Each save marks its files, so that their headers tell them
// from those of all other saves.
std::unique_ptr<SafetensorsFile> open_listed(const fs::path& manifest,
                                             const ShardManifest::File& listed,
                                             const OpenPolicy& policy) {
  InputFile input = open_beside(manifest, listed.name, policy);
  if (input.size() != listed.bytes) {
    refuse(input.name(), "SHARD_SIZE",
           std::to_string(listed.bytes) + " bytes, as " + manifest.filename().string() + " says,",
           std::to_string(input.size()));
  }
  auto file = std::make_unique<SafetensorsFile>(std::move(input));
  const std::string header = file->header_digest();
  if (header != listed.header) {
    refuse(file->name(), "SHARD_OF_OTHER_SAVE",
           "the header " + listed.header + " of the save that wrote " +
               manifest.filename().string() + ",",
           header);
  }
  return file;
}

void check_piece(const TensorFile& file, const ShardManifest::Tensor& tensor,
                 const ShardManifest::Piece& piece) {
  const TensorInfo* info = file.find(tensor.name);
  if (!info) {
    refuse(file.name(), "TENSOR_NOT_IN_SHARD", "\"" + tensor.name + "\"", "a shard without it");
  }
  if (info->shape != tensor.shape_of(piece) || info->dtype != tensor.dtype) {
    refuse(file.name(), "PIECE_SHAPE", "\"" + tensor.name + "\" of the manifest's dtype and shape",
           "another");
  }
}

}  // namespace

void Checkpoint::open_manifest(const fs::path& path, const OpenPolicy& policy) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const InputFile text = open_shard(folder, path.filename().string(), policy);
  manifest_ = parse_manifest(read_index_text(text), path.string());
  manifest_name_ = path.string();
  metadata_ = Json::Object{
      {"ranks", manifest_->ranks}, {"layout", manifest_->layout}, {"dtype", manifest_->dtype}};
  for (const ShardManifest::File& listed : manifest_->files) {
    files_.push_back(open_listed(path, listed, policy));
  }
  std::vector<size_t> listed(files_.size(), 0);
  for (const ShardManifest::Tensor& tensor : manifest_->tensors) {
    for (const ShardManifest::Piece& piece : tensor.pieces) {
      check_piece(*files_[piece.file], tensor, piece);
      ++listed[piece.file];
    }
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    if (files_[i]->tensors().size() == listed[i]) continue;
    refuse(files_[i]->name(), "TENSOR_NOT_IN_INDEX", std::to_string(listed[i]) + " tensors",
           std::to_string(files_[i]->tensors().size()));
  }
}

Json Checkpoint::inspect_manifest() const {
  Json::Array files, tensors;
  int64_t parameters = 0;
  for (const auto& file : files_) files.emplace_back(file->name());
  for (const ShardManifest::Tensor& tensor : manifest_->tensors) {
    const std::string& first = files_[tensor.pieces.front().file]->name();
    const auto type = scalar_type_of(tensor.dtype);
    Json::Array pieces;
    uint64_t bytes = 0;
    for (const ShardManifest::Piece& piece : tensor.pieces) {
      const TensorInfo* info = files_[piece.file]->find(tensor.name);
      bytes += info->bytes();
      parameters += info->elements();
      pieces.push_back(Json::Object{
          {"file", files_[piece.file]->name()}, {"begin", piece.begin}, {"length", piece.length}});
    }
    Json::Object entry{{"name", tensor.name},
                       {"dtype", std::string(type ? dtype_name(*type) : tensor.dtype)},
                       {"shape", Json::Array(tensor.shape.begin(), tensor.shape.end())},
                       {"bytes", static_cast<int64_t>(bytes)},
                       {"file", tensor.cut ? manifest_name_ : first}};
    if (tensor.cut) {
      entry.emplace_back("cut", *tensor.cut);
      entry.emplace_back("pieces", std::move(pieces));
    }
    tensors.push_back(std::move(entry));
  }
  return Json::Object{{"files", std::move(files)},
                      {"tensors", std::move(tensors)},
                      {"metadata", metadata_},
                      {"config", manifest_->config},
                      {"parameters", parameters}};
}

}  // namespace torchsight
