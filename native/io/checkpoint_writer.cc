#include <ATen/core/Tensor.h>

#include <cstdio>
#include <regex>
#include <set>

#include "io/checkpoint.h"

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

// A folder with files of two saves would be read as one of them, perhaps the wrong one.
void remove_others(const fs::path& folder, const std::set<std::string>& kept) {
  static const std::regex ours(R"(model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?)");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!kept.contains(name) && std::regex_match(name, ours)) fs::remove(entry.path());
  }
}

}  // namespace

void write_checkpoint(const fs::path& folder, const std::vector<TensorOutline>& tensors,
                      uint64_t shard_bytes,
                      const std::function<at::Tensor(const TensorOutline&)>& value,
                      const Metadata& metadata) {
  fs::create_directories(folder);
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
  remove_others(folder, written);
}

}  // namespace torchsight
