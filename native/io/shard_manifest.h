// The manifest of a checkpoint that ranks have written, each a file of its own parts: JSON from
// anywhere that names files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace torchsight {

constexpr const char* kManifestName = "torchsight-shards.json";
constexpr std::string_view kManifestFormat = "torchsight-shards";
constexpr int64_t kManifestVersion = 1;

/// What a manifest says. Version 1 of the format, as JSON:
///
///   format    "torchsight-shards"; version 1
///   ranks     how many ranks the model was sharded over; layout, dtype: how it was
///   config    the model's config, or null
///   files     [{name, bytes, header}], header being `SafetensorsFile::header_digest`
///   tensors   [{name, dtype, shape, file}] for tensors that lie whole in file number `file`, and
///             [{name, dtype, shape, cut, pieces: [{file, begin, length}]}] for those whose
///             dimension `cut` is divided; `shape` is the full one, `dtype` a token of safetensors
struct ShardManifest {
  struct File {
    std::string name;
    uint64_t bytes = 0;
    std::string header;
  };
  /// `length` entries from `begin` of the cut dimension. Pieces of a tensor are in order.
  struct Piece {
    size_t file = 0;
    int64_t begin = 0;
    int64_t length = 0;
  };
  struct Tensor {
    std::string name;
    std::string_view dtype;  // in static storage
    std::vector<int64_t> shape;
    std::optional<int64_t> cut;  // without one there is one piece, the whole
    std::vector<Piece> pieces;

    /// The shape that the tensor has in the file of a piece.
    std::vector<int64_t> shape_of(const Piece& piece) const;
  };

  int64_t ranks = 1;
  std::string layout;
  std::string dtype;
  Json config;
  std::vector<File> files;
  std::vector<Tensor> tensors;

  Json to_json() const;
};

/// Parses and checks the text of a manifest: names of files as in an index, shapes, and that the
/// pieces of each tensor tile it, each from another file. Every refusal is an
/// `Error(kBadCheckpoint)` with a reason of its own.
ShardManifest parse_manifest(std::string_view text, std::string_view what);

}  // namespace torchsight
