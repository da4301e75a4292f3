#include "runtime/shards.h"

#include <cstdio>
#include <random>

#include "io/checkpoint.h"
#include "io/key_set.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// Where the mark of a save is in the headers of its files.
constexpr const char* kMarkKey = "torchsight_save";

// What a rank writes of the part that it holds: nothing where a rank before it has the same.
std::optional<Cut> written_part(std::optional<Cut> cut) {
  if (cut && cut->copy) cut->length = 0;
  return cut;
}

// What rank `rank` writes into its file, by the numbers of the parameters.
std::vector<size_t> written_by(int64_t rank, const std::vector<std::optional<Cut>>& cuts) {
  std::vector<size_t> written;
  for (size_t i = 0; i < cuts.size(); ++i) {
    if (cuts[i] ? cuts[i]->length > 0 : rank == 0) written.push_back(i);
  }
  return written;
}

// The tensor `i` and its pieces in `shards`, whose files have these numbers in the manifest.
ShardManifest::Tensor tensor_of(const Parameter& parameter, size_t i,
                                const std::vector<RankShard>& shards,
                                const std::vector<size_t>& numbers) {
  ShardManifest::Tensor tensor;
  tensor.name = parameter.name;
  tensor.dtype = token_of(parameter.tensor.scalar_type());
  tensor.shape = parameter.full_shape;
  if (parameter.cut) tensor.cut = parameter.cut->dim;
  for (size_t rank = 0; rank < shards.size(); ++rank) {
    const std::optional<Cut>& cut = shards[rank].cuts.at(i);
    if (cut.has_value() != tensor.cut.has_value() || (cut && cut->dim != *tensor.cut)) {
      throw Error(ErrorCode::kInternal, "expected every rank to cut " + parameter.name +
                                            " alike but rank " + std::to_string(rank) +
                                            " does not");
    }
    if (cut && cut->length > 0) tensor.pieces.push_back({numbers[rank], cut->begin, cut->length});
    if (!cut && rank == 0) tensor.pieces.push_back({numbers[rank], 0, 0});
  }
  return tensor;
}

}  // namespace

std::string fresh_mark() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

Json RankShard::to_json() const {
  Json::Array places;
  for (const std::optional<Cut>& cut : cuts) {
    places.push_back(cut ? Json::Array{cut->dim, cut->begin, cut->length} : Json::Array{});
  }
  return Json::Object{{"name", file.name},
                      {"bytes", static_cast<int64_t>(file.bytes)},
                      {"header", file.header},
                      {"cuts", std::move(places)}};
}

RankShard RankShard::from_json(const Json& json) {
  RankShard shard;
  shard.file = {json.at("name").as_string(), static_cast<uint64_t>(json.at("bytes").as_int()),
                json.at("header").as_string()};
  for (const Json& place : json.at("cuts").as_array()) {
    const std::vector<int64_t> cut = place.as_ints();
    shard.cuts.push_back(cut.empty() ? std::optional<Cut>() : Cut{cut[0], cut[1], cut[2]});
  }
  return shard;
}

RankShard write_rank(const ShardedSave& save, int64_t rank,
                     const std::vector<Parameter>& parameters,
                     const std::function<at::Tensor(size_t)>& value) {
  RankShard shard;
  for (const Parameter& parameter : parameters) {
    shard.cuts.push_back(written_part(parameter.cut));
  }
  const std::vector<size_t> written = written_by(rank, shard.cuts);
  if (written.empty()) return shard;
  std::vector<TensorOutline> outlines;
  for (const size_t i : written) {
    const Parameter& parameter = parameters[i];
    outlines.push_back(
        {parameter.name, parameter.tensor.scalar_type(), parameter.tensor.sizes().vec()});
  }
  make_folder(save.folder);
  shard.file.name = rank_file_name(rank, save.ranks, save.mark);
  SafetensorsWriter writer(save.folder / shard.file.name, std::move(outlines),
                           {{"format", "pt"}, {kMarkKey, save.mark}});
  for (const size_t i : written) writer.write(parameters[i].name, value(i));
  writer.finish();
  shard.file.bytes = writer.bytes();
  shard.file.header = writer.header_digest();
  return shard;
}

void finish_shards(const ShardedSave& save, const std::vector<Parameter>& parameters,
                   const std::vector<RankShard>& shards, const std::string& config) {
  ShardManifest manifest;
  manifest.ranks = save.ranks;
  manifest.layout = save.layout;
  manifest.dtype = dtype_name(parameters.at(0).tensor.scalar_type());
  if (!config.empty()) manifest.config = Json::parse(config, "config.json");
  std::set<std::string> kept{kManifestName};
  std::vector<size_t> numbers;
  for (const RankShard& shard : shards) {
    numbers.push_back(manifest.files.size());
    if (shard.file.name.empty()) continue;
    manifest.files.push_back(shard.file);
    kept.insert(shard.file.name);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    manifest.tensors.push_back(tensor_of(parameters[i], i, shards, numbers));
  }
  const std::string text = manifest.to_json().dump() + "\n";
  try {
    parse_manifest(text, kManifestName);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInternal, error.what(), error.reason());
  }
  if (!config.empty()) write_text(save.folder / "config.json", config);
  write_text(save.folder / kManifestName, text);
  remove_other_weights(save.folder, kept);
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(0, text.data(), text.size());
  file.commit();
}

}  // namespace torchsight
