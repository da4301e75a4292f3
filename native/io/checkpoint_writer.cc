#include <ATen/core/Tensor.h>

#include <cstdio>
#include <regex>
#include <set>

#include "io/checkpoint.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

namespace fs = std::filesystem;

std::vector<std::vector<TensorOutline>> shards_of(const std::vector<TensorOutline>& tensors,
                                                  uint64_t shard_bytes) {
  std::vector<std::vector<TensorOutline>> shards(1);
  uint64_t filled = 0;
  for (const TensorOutline& tensor : tensors) {
    const uint64_t bytes = tensor.bytes();
    if (shard_bytes > 0 && !shards.back().empty() && filled + bytes > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(tensor);
    filled += bytes;
  }
  return shards;
}

std::string shard_name(size_t number, size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number, count);
  return name;
}

void write_index(const fs::path& path, const std::vector<std::vector<TensorOutline>>& shards) {
  Json::Object map;
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const TensorOutline& tensor : shards[i]) {
      map.emplace_back(tensor.name, shard_name(i + 1, shards.size()));
      total += static_cast<int64_t>(tensor.bytes());
    }
  }
  const Json index = Json::Object{{"metadata", Json::Object{{"total_size", total}}},
                                  {"weight_map", std::move(map)}};
  const std::string text = index.dump() + "\n";
  OutputFile file(path);
  file.write(0, text.data(), text.size());
  file.commit();
}

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && fs::is_directory(folder, error)) return;
  throw Error(ErrorCode::kBadInput, "expected a folder that can be written for " + folder.string() +
                                        " but received " + error.message());
}

std::string rank_file_name(int64_t rank, int64_t ranks, const std::string& mark) {
  char name[96];
  std::snprintf(name, sizeof name, "model-rank-%05lld-of-%05lld-%s.safetensors",
                static_cast<long long>(rank), static_cast<long long>(ranks), mark.c_str());
  return name;
}

void remove_other_weights(const fs::path& folder, const std::set<std::string>& kept) {
  // Whole files, and what a process that was killed has left of one.
  static const std::regex ours(R"((model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?)"
                               R"(|model-rank-\d+-of-\d+-[0-9a-f]+\.safetensors))"
                               R"((\.partial-\d+-\d+)?)");
  // First what would be read before all else, and would then lack its files.
  if (!kept.contains(kManifestName)) fs::remove(folder / kManifestName);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!kept.contains(name) && std::regex_match(name, ours)) fs::remove(entry.path());
  }
}

void write_checkpoint(const fs::path& folder, const std::vector<TensorOutline>& tensors,
                      uint64_t shard_bytes,
                      const std::function<at::Tensor(const TensorOutline&)>& value,
                      const Metadata& metadata) {
  make_folder(folder);
  const auto shards = shards_of(tensors, shard_bytes);
  std::set<std::string> written;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? kSingleName : shard_name(i + 1, shards.size());
    SafetensorsWriter writer(folder / name, shards[i], metadata);
    for (const TensorOutline& tensor : shards[i]) writer.write(tensor.name, value(tensor));
    writer.finish();
    written.insert(name);
  }
  if (shards.size() > 1) {
    write_index(folder / kIndexName, shards);
    written.insert(kIndexName);
  }
  remove_other_weights(folder, written);
}

}  // namespace torchsight
