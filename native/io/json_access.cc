// Typed access to JSON values, apart from reading and writing them.
#include <limits>

#include "io/json.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr size_t kShown = 60;

std::string kind_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "boolean";
  if (value.is_number()) return "number";
  if (value.is_string()) return "string";
  return value.is_array() ? "array" : "object";
}

[[noreturn]] void mismatch(const char* expected, std::string_view name, const Json& value) {
  std::string shown = value.dump();
  if (shown.size() > kShown) {
    size_t end = kShown;  // never in the middle of a UTF-8 sequence
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;
    shown = shown.substr(0, end) + "...";
  }
  throw Error(ErrorCode::kBadInput, std::string("expected ") + expected + " for " +
                                        std::string(name) + " but received " + shown + " of type " +
                                        kind_of(value));
}

}  // namespace

bool Json::as_bool(std::string_view name) const {
  if (const auto* value = std::get_if<bool>(&value_)) return *value;
  mismatch("a boolean", name, *this);
}

int64_t Json::as_int(std::string_view name) const {
  if (const auto* value = std::get_if<int64_t>(&value_)) return *value;
  mismatch("an integer", name, *this);
}

double Json::as_double(std::string_view name) const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  mismatch("a number", name, *this);
}

const std::string& Json::as_string(std::string_view name) const {
  if (const auto* value = std::get_if<std::string>(&value_)) return *value;
  mismatch("a string", name, *this);
}

const Json::Array& Json::as_array(std::string_view name) const {
  if (const auto* value = std::get_if<Array>(&value_)) return *value;
  mismatch("an array", name, *this);
}

const Json::Object& Json::as_object(std::string_view name) const {
  if (const auto* value = std::get_if<Object>(&value_)) return *value;
  mismatch("an object", name, *this);
}

std::vector<int64_t> Json::as_ints(std::string_view name) const {
  std::vector<int64_t> ints;
  for (const Json& item : as_array(name)) ints.push_back(item.as_int(name));
  return ints;
}

const Json* Json::find(std::string_view key) const {
  if (const auto* members = std::get_if<Object>(&value_)) {
    for (const auto& [name, value] : *members) {
      if (name == key) return &value;
    }
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* value = find(key)) return *value;
  throw Error(ErrorCode::kBadInput, "expected a member \"" + std::string(key) + "\" but the " +
                                        kind_of(*this) + " has none of that name");
}

bool Json::get(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  return value && !value->is_null() ? value->as_bool(key) : fallback;
}

int64_t Json::get(std::string_view key, int64_t fallback) const {
  const Json* value = find(key);
  return value && !value->is_null() ? value->as_int(key) : fallback;
}

double Json::get(std::string_view key, double fallback) const {
  const Json* value = find(key);
  return value && !value->is_null() ? value->as_double(key) : fallback;
}

std::string Json::get(std::string_view key, const char* fallback) const {
  const Json* value = find(key);
  return value && !value->is_null() ? value->as_string(key) : fallback;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  as_object();
  auto& members = std::get<Object>(value_);
  for (auto& [name, member] : members) {
    if (name == key) {
      member = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::move(key), std::move(value));
  return *this;
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array{};
  as_array();
  std::get<Array>(value_).push_back(std::move(value));
}

}  // namespace torchsight
