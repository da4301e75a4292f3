// How a module is saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace torchsight {

struct SaveOptions {
  std::filesystem::path folder;  // made if it is missing
  uint64_t shard_bytes = 0;      // of a file at most, where the module is not sharded; 0: no limit
  std::string config;            // the text of config.json; empty: none is written
};

}  // namespace torchsight
