// JSON as a plain value: configs, options and messages. Parsed by simdjson, duplicate keys refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace torchsight {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // keeps the order of the text

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<int64_t>(value)) {}
  Json(int64_t value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  /// Parses UTF-8 text. Throws `Error(kBadInput)` naming `what` on malformed text, duplicate keys
  /// or nesting deeper than 64.
  static Json parse(std::string_view text, std::string_view what = "JSON");
  std::string dump() const;

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  /// Typed access; throws `Error(kBadInput)` "expected an integer for NAME but received …".
  bool as_bool(std::string_view name = "value") const;
  int64_t as_int(std::string_view name = "value") const;
  double as_double(std::string_view name = "value") const;  // integers are accepted
  const std::string& as_string(std::string_view name = "value") const;
  const Array& as_array(std::string_view name = "value") const;
  const Object& as_object(std::string_view name = "value") const;
  std::vector<int64_t> as_ints(std::string_view name = "value") const;

  /// Member of an object, or null where it is absent or this is not an object.
  const Json* find(std::string_view key) const;
  /// Member of an object; throws `Error(kBadInput)` where it is absent.
  const Json& at(std::string_view key) const;
  /// Member with a fallback: `config.get("norm_eps", 1e-6)`. A JSON null counts as absent.
  bool get(std::string_view key, bool fallback) const;
  int64_t get(std::string_view key, int64_t fallback) const;
  int64_t get(std::string_view key, int fallback) const {
    return get(key, static_cast<int64_t>(fallback));
  }
  double get(std::string_view key, double fallback) const;
  std::string get(std::string_view key, const char* fallback) const;

  /// Sets or replaces a member of an object (a null value becomes an object first).
  Json& set(std::string key, Json value);
  void push_back(Json value);

 private:
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object> value_;
};

}  // namespace torchsight
