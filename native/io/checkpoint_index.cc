#include "io/checkpoint_index.h"

#include "runtime/error.h"

namespace torchsight {
namespace {

[[noreturn]] void refuse(std::string_view what, const char* reason, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected " + expected + " in " + std::string(what) + " but received " + received,
              reason);
}

// Errors of the JSON parser tell of bad input in general; here it is a bad checkpoint.
Json parse_text(std::string_view text, std::string_view what) {
  if (text.size() > kMaxIndex) {
    refuse(what, "INDEX_TOO_LARGE", "an index of at most 16 MiB", std::to_string(text.size()));
  }
  try {
    return Json::parse(text, what);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBadInput) throw;
    const bool malformed = error.reason() == "MALFORMED";
    throw Error(ErrorCode::kBadCheckpoint, error.what(),
                malformed ? "INDEX_MALFORMED" : error.reason());
  }
}

// Python writers leave it as an integer or, after a division, as a float.
std::optional<int64_t> total_size_of(const Json& metadata, std::string_view what) {
  const Json* total = metadata.find("total_size");
  if (!total) return std::nullopt;
  if (total->is_int() && total->as_int() >= 0) return total->as_int();
  if (total->is_number()) {
    const double value = total->as_double();
    const auto whole = static_cast<int64_t>(value >= 0 && value < 9e15 ? value : -1);
    if (static_cast<double>(whole) == value) return whole;
  }
  refuse(what, "TOTAL_SIZE_TYPE", "a number of bytes as total_size", total->dump());
}

}  // namespace

void check_shard_name(const std::string& name, std::string_view what) {
  const auto bad = [&](const char* reason) {
    refuse(what, reason, "the name of a file beside the index", Json(name).dump());
  };
  if (name.empty()) bad("PATH_EMPTY");
  if (name.find('\0') != std::string::npos) bad("PATH_NUL");
  if (name.front() == '/') bad("PATH_ABSOLUTE");
  if (name.find('\\') != std::string::npos) bad("PATH_BACKSLASH");
  if (name.find(':') != std::string::npos) bad("PATH_DRIVE");
  if (name == ".." || name.starts_with("../") || name.find("/../") != std::string::npos ||
      name.ends_with("/..")) {
    bad("PATH_PARENT");
  }
  if (name.find('/') != std::string::npos || name == ".") bad("PATH_FOLDER");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) bad("PATH_CONTROL");
  }
  if (name.size() > 255) bad("PATH_TOO_LONG");
}

CheckpointIndex parse_index(std::string_view text, std::string_view what) {
  const Json json = parse_text(text, what);
  if (!json.is_object()) refuse(what, "INDEX_NOT_AN_OBJECT", "an object", "something else");
  CheckpointIndex index;
  if (const Json* metadata = json.find("metadata"); metadata && !metadata->is_null()) {
    if (!metadata->is_object()) {
      refuse(what, "INDEX_METADATA", "an object as metadata", "something else");
    }
    index.metadata = *metadata;
    index.total_size = total_size_of(*metadata, what);
  }
  const Json* map = json.find("weight_map");
  if (!map) refuse(what, "NO_WEIGHT_MAP", "a weight_map", "none");
  if (!map->is_object()) {
    refuse(what, "WEIGHT_MAP_TYPE", "an object as weight_map", "something else");
  }
  for (const auto& [tensor, file] : map->as_object()) {
    if (!file.is_string()) {
      refuse(what, "WEIGHT_MAP_VALUE", "the name of a file for \"" + tensor + "\"", file.dump());
    }
    check_shard_name(file.as_string(), what);
    index.weight_map.emplace_back(tensor, file.as_string());
  }
  if (index.weight_map.empty()) refuse(what, "WEIGHT_MAP_EMPTY", "tensors in weight_map", "none");
  return index;
}

}  // namespace torchsight
