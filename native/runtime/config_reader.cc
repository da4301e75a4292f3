#include "runtime/config_reader.h"

#include "runtime/error.h"

namespace torchsight {

ConfigReader::ConfigReader(const Json& json, std::string where)
    : json_(&json), where_(std::move(where)) {
  if (!json.is_object()) refuse("an object", where_.empty() ? "config" : "it", json.dump());
}

ConfigReader ConfigReader::section(std::string_view name) const {
  static const Json empty{Json::Object{}};
  const Json* value = find(name);
  if (value && !value->is_object()) refuse("an object", name, value->dump());
  return ConfigReader(value ? *value : empty, where_ + std::string(name) + ".");
}

void ConfigReader::refuse(const std::string& expected, std::string_view name,
                          const std::string& received) const {
  throw Error(ErrorCode::kBadConfig, "expected " + expected + " for " + where_ + std::string(name) +
                                         " but received " + received);
}

const Json* ConfigReader::find(std::string_view name) const {
  const Json* value = json_->find(name);
  return value && !value->is_null() ? value : nullptr;
}

int64_t ConfigReader::size_of(const Json& value, std::string_view name, int64_t least,
                              int64_t most) const {
  if (!value.is_int() || value.as_int() < least || value.as_int() > most) {
    refuse("an integer from " + std::to_string(least) + " to " + std::to_string(most), name,
           value.dump());
  }
  return value.as_int();
}

int64_t ConfigReader::size(std::string_view name, int64_t most, std::optional<int64_t> fallback,
                           int64_t least) const {
  if (const Json* value = find(name)) return size_of(*value, name, least, most);
  if (!fallback) refuse("an integer", name, "nothing");
  return *fallback;
}

std::pair<int64_t, int64_t> ConfigReader::sides(std::string_view name, int64_t most,
                                                int64_t fallback) const {
  const Json* value = find(name);
  if (!value || !value->is_array()) {
    const int64_t side = size(name, most, fallback);
    return {side, side};
  }
  const Json::Array& sides = value->as_array();
  if (sides.size() != 2) refuse("an integer or [height, width]", name, value->dump());
  const std::string field(name);
  return {size_of(sides[0], field + "[0]", 1, most), size_of(sides[1], field + "[1]", 1, most)};
}

std::vector<int64_t> ConfigReader::sizes(std::string_view name, int64_t most,
                                         const std::vector<int64_t>& fallback) const {
  const Json* value = find(name);
  if (!value) return fallback;
  if (!value->is_array() || value->as_array().size() != fallback.size()) {
    refuse("a list of " + std::to_string(fallback.size()) + " integers", name, value->dump());
  }
  std::vector<int64_t> sizes;
  for (const Json& one : value->as_array()) {
    const std::string field = std::string(name) + "[" + std::to_string(sizes.size()) + "]";
    sizes.push_back(size_of(one, field, 1, most));
  }
  return sizes;
}

double ConfigReader::number(std::string_view name, double least, double most,
                            double fallback) const {
  const Json* value = find(name);
  if (!value) return fallback;
  const bool fits = value->is_number() && value->as_double() >= least && value->as_double() <= most;
  if (!fits) {
    refuse("a number from " + Json(least).dump() + " to " + Json(most).dump(), name, value->dump());
  }
  return value->as_double();
}

double ConfigReader::positive(std::string_view name, double most, double fallback) const {
  const Json* value = find(name);
  const double number = value && value->is_number() ? value->as_double() : fallback;
  if (value && (!value->is_number() || !(number > 0) || !(number <= most))) {
    refuse("a number above 0 and at most " + Json(most).dump(), name, value->dump());
  }
  return number;
}

double ConfigReader::non_negative(std::string_view name, double most, double fallback) const {
  const Json* value = find(name);
  return value && value->is_number() && value->as_double() == 0 ? 0
                                                                : positive(name, most, fallback);
}

double ConfigReader::positive_or_null(std::string_view name, double most, double fallback) const {
  const Json* value = json_->find(name);
  return value && value->is_null() ? 0 : positive(name, most, fallback);
}

std::vector<int64_t> ConfigReader::ids(std::string_view name, int64_t most,
                                       const std::vector<int64_t>& fallback) const {
  const Json* value = find(name);
  if (!value) return fallback;
  if (!value->is_array()) return {size_of(*value, name, 0, most)};
  std::vector<int64_t> ids;
  for (const Json& entry : value->as_array()) ids.push_back(size_of(entry, name, 0, most));
  return ids;
}

std::optional<std::vector<std::string>> ConfigReader::strings(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_array()) refuse("a list of texts", name, value->dump());
  std::vector<std::string> strings;
  for (const Json& entry : value->as_array()) {
    if (!entry.is_string()) refuse("texts", name, entry.dump());
    strings.push_back(entry.as_string());
  }
  return strings;
}

bool ConfigReader::flag(std::string_view name, bool fallback) const {
  const Json* value = find(name);
  if (!value) return fallback;
  if (!value->is_bool()) refuse("true or false", name, value->dump());
  return value->as_bool();
}

}  // namespace torchsight
