// The reader of manifests, apart from what it reads them into.
#include <cstdint>
#include <set>

#include "io/checkpoint_index.h"
#include "io/safetensors_header.h"
#include "io/shard_manifest.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr size_t kMostDimensions = 64;  // as in files
constexpr int64_t kMostElements = INT64_MAX / 16;

[[noreturn]] void refuse(std::string_view what, const char* reason, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected " + expected + " in " + std::string(what) + " but received " + received,
              reason);
}

// Errors of the JSON parser tell of bad input in general; here it is a bad checkpoint.
[[noreturn]] void refuse_json(const Error& error, std::string_view what) {
  const bool malformed = error.reason() == "MALFORMED";
  const std::string reason = error.reason().empty() ? "MANIFEST_FIELD" : error.reason();
  throw Error(ErrorCode::kBadCheckpoint,
              malformed ? error.what() : std::string(error.what()) + " in " + std::string(what),
              malformed ? "MANIFEST_MALFORMED" : reason);
}

// A whole number below `limit`.
int64_t index_from(const Json& json, std::string_view name, int64_t limit, std::string_view what) {
  const int64_t index = json.as_int(name);
  if (index >= 0 && index < limit) return index;
  refuse(what, "MANIFEST_FIELD",
         "a number below " + std::to_string(limit) + " for " + std::string(name),
         std::to_string(index));
}

ShardManifest::File file_from(const Json& json, std::string_view what) {
  ShardManifest::File file;
  file.name = json.at("name").as_string("name");
  check_shard_name(file.name, what);
  file.bytes = static_cast<uint64_t>(index_from(json.at("bytes"), "bytes", INT64_MAX, what));
  file.header = json.at("header").as_string("header");
  return file;
}

void check_shape(const ShardManifest::Tensor& tensor, std::string_view what) {
  int64_t elements = 1;
  bool fits = tensor.shape.size() <= kMostDimensions;
  for (const int64_t size : tensor.shape) {
    fits = fits && size >= 0 && (size == 0 || elements <= kMostElements / size);
    if (fits) elements *= size;
  }
  if (fits) return;
  refuse(what, "MANIFEST_SHAPE", "a shape that memory can have for \"" + tensor.name + "\"",
         Json(Json::Array(tensor.shape.begin(), tensor.shape.end())).dump());
}

// The pieces must follow each other without overlaps and holes, each in a file of its own: there
// all of them have the tensor's name.
void check_tiles(const ShardManifest::Tensor& tensor, std::string_view what) {
  const int64_t size = tensor.shape[static_cast<size_t>(*tensor.cut)];
  const std::string of = " of \"" + tensor.name + "\"";
  if (tensor.pieces.empty()) refuse(what, "PIECES_HOLE", "pieces" + of, "none");
  std::set<size_t> files;
  int64_t end = 0;
  for (const ShardManifest::Piece& piece : tensor.pieces) {
    if (!files.insert(piece.file).second) {
      refuse(what, "PIECES_IN_ONE_FILE", "each piece" + of + " in a file of its own", "two in one");
    }
    if (piece.length < 0 || piece.begin < 0 || piece.length > size - piece.begin) {
      refuse(what, "PIECE_OUTSIDE", "pieces" + of + " within " + std::to_string(size) + " entries",
             std::to_string(piece.length) + " from " + std::to_string(piece.begin));
    }
    if (piece.begin < end) {
      refuse(what, "PIECES_OVERLAP", "pieces" + of + " in order, from " + std::to_string(end),
             "one from " + std::to_string(piece.begin));
    }
    if (piece.begin > end) {
      refuse(what, "PIECES_HOLE", "a piece" + of + " from " + std::to_string(end),
             "the next from " + std::to_string(piece.begin));
    }
    end += piece.length;
  }
  if (end == size) return;
  refuse(what, "PIECES_HOLE", "pieces" + of + " up to " + std::to_string(size),
         "the last up to " + std::to_string(end));
}

ShardManifest::Tensor tensor_from(const Json& json, size_t files, std::string_view what) {
  const auto limit = static_cast<int64_t>(files);
  ShardManifest::Tensor tensor;
  tensor.name = json.at("name").as_string("name");
  const std::string& dtype = json.at("dtype").as_string("dtype");
  tensor.dtype = safetensors_dtype(dtype);
  if (tensor.dtype.empty()) {
    refuse(what, "UNKNOWN_DTYPE", "a dtype of safetensors for \"" + tensor.name + "\"", dtype);
  }
  tensor.shape = json.at("shape").as_ints("shape");
  check_shape(tensor, what);
  if (!json.find("pieces")) {
    tensor.pieces.push_back(
        {static_cast<size_t>(index_from(json.at("file"), "file", limit, what))});
    return tensor;
  }
  const auto dims = static_cast<int64_t>(tensor.shape.size());
  tensor.cut = index_from(json.at("cut"), "cut", dims, what);
  for (const Json& piece : json.at("pieces").as_array("pieces")) {
    tensor.pieces.push_back({static_cast<size_t>(index_from(piece.at("file"), "file", limit, what)),
                             piece.at("begin").as_int("begin"),
                             piece.at("length").as_int("length")});
  }
  check_tiles(tensor, what);
  return tensor;
}

ShardManifest manifest_from(const Json& json, std::string_view what) {
  const Json* format = json.find("format");
  if (!format || !format->is_string() || format->as_string() != kManifestFormat) {
    refuse(what, "NOT_A_MANIFEST", "\"" + std::string(kManifestFormat) + "\" as format",
           format ? format->dump() : "none");
  }
  const int64_t version = json.at("version").as_int("version");
  if (version != kManifestVersion) {
    refuse(what, "MANIFEST_VERSION", "version 1, which this release of torchsight reads",
           std::to_string(version));
  }
  ShardManifest manifest;
  manifest.ranks = json.at("ranks").as_int("ranks");
  if (manifest.ranks < 1) {
    refuse(what, "MANIFEST_FIELD", "1 or more for ranks", std::to_string(manifest.ranks));
  }
  manifest.layout = json.at("layout").as_string("layout");
  manifest.dtype = json.at("dtype").as_string("dtype");
  if (const Json* config = json.find("config")) manifest.config = *config;
  std::set<std::string> names;
  for (const Json& file : json.at("files").as_array("files")) {
    manifest.files.push_back(file_from(file, what));
    if (!names.insert(manifest.files.back().name).second) {
      refuse(what, "FILE_TWICE", "each file once", "\"" + manifest.files.back().name + "\" again");
    }
  }
  names.clear();
  for (const Json& tensor : json.at("tensors").as_array("tensors")) {
    manifest.tensors.push_back(tensor_from(tensor, manifest.files.size(), what));
    const std::string& name = manifest.tensors.back().name;
    if (!names.insert(name).second) {
      refuse(what, "TENSOR_TWICE", "each tensor once", "\"" + name + "\" again");
    }
  }
  if (manifest.tensors.empty()) refuse(what, "MANIFEST_EMPTY", "tensors", "none");
  return manifest;
}

}  // namespace

ShardManifest parse_manifest(std::string_view text, std::string_view what) {
  if (text.size() > kMaxIndex) {
    refuse(what, "INDEX_TOO_LARGE", "a manifest of at most 16 MiB", std::to_string(text.size()));
  }
  try {
    return manifest_from(Json::parse(text, what), what);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kBadInput) refuse_json(error, what);
    throw;
  }
}

}  // namespace torchsight
