#include "io/shard_manifest.h"

namespace torchsight {

std::vector<int64_t> ShardManifest::Tensor::shape_of(const Piece& piece) const {
  std::vector<int64_t> part = shape;
  if (cut) part[static_cast<size_t>(*cut)] = piece.length;
  return part;
}

Json ShardManifest::to_json() const {
  Json::Array files_json, tensors_json;
  for (const File& file : files) {
    files_json.push_back(Json::Object{
        {"name", file.name}, {"bytes", static_cast<int64_t>(file.bytes)}, {"header", file.header}});
  }
  for (const Tensor& tensor : tensors) {
    Json::Object entry{{"name", tensor.name},
                       {"dtype", std::string(tensor.dtype)},
                       {"shape", Json::Array(tensor.shape.begin(), tensor.shape.end())}};
    if (tensor.cut) {
      Json::Array pieces;
      for (const Piece& piece : tensor.pieces) {
        pieces.push_back(Json::Object{{"file", static_cast<int64_t>(piece.file)},
                                      {"begin", piece.begin},
                                      {"length", piece.length}});
      }
      entry.emplace_back("cut", *tensor.cut);
      entry.emplace_back("pieces", std::move(pieces));
    } else {
      entry.emplace_back("file", static_cast<int64_t>(tensor.pieces.front().file));
    }
    tensors_json.push_back(std::move(entry));
  }
  return Json::Object{{"format", std::string(kManifestFormat)},
                      {"version", kManifestVersion},
                      {"ranks", ranks},
                      {"layout", layout},
                      {"dtype", dtype},
                      {"config", config},
                      {"files", std::move(files_json)},
                      {"tensors", std::move(tensors_json)}};
}

}  // namespace torchsight
