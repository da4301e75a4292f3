// Reads the fields of a config.json. Whatever a file says, the answer is a value within bounds or
// `Error(kBadConfig)` that names the field. A JSON null counts as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"

namespace torchsight {

class ConfigReader {
 public:
  /// `where` stands before the names of fields in messages, e.g. "vision_config.".
  explicit ConfigReader(const Json& json, std::string where = {});

  /// The object of that name, or an empty one where it is absent.
  ConfigReader section(std::string_view name) const;

  /// An integer from `least` to `most`; without a fallback it must be there.
  int64_t size(std::string_view name, int64_t most, std::optional<int64_t> fallback = {},
               int64_t least = 1) const;
  /// Height and width: one integer for a square, or [height, width].
  std::pair<int64_t, int64_t> sides(std::string_view name, int64_t most, int64_t fallback) const;
  /// As many integers from 1 to `most` as `fallback` has.
  std::vector<int64_t> sizes(std::string_view name, int64_t most,
                             const std::vector<int64_t>& fallback) const;
  /// A number from `least` to `most`.
  double number(std::string_view name, double least, double most, double fallback) const;
  /// A number above 0 and at most `most`.
  double positive(std::string_view name, double most, double fallback) const;
  /// A number from 0 to `most`.
  double non_negative(std::string_view name, double most, double fallback) const;
  /// As `positive`, where a JSON null means "none", which is 0.
  double positive_or_null(std::string_view name, double most, double fallback) const;
  bool flag(std::string_view name, bool fallback) const;
  /// One integer from 0 to `most`, or a list of them.
  std::vector<int64_t> ids(std::string_view name, int64_t most,
                           const std::vector<int64_t>& fallback) const;
  /// A list of texts, where there is one.
  std::optional<std::vector<std::string>> strings(std::string_view name) const;

  template <typename T>
  using Choices = std::vector<std::pair<std::string_view, T>>;

  /// The value of the name that is there; without a fallback the first one is the default.
  template <typename T>
  T choice(std::string_view name, const Choices<T>& choices, std::optional<T> fallback = {}) const {
    const Json* value = find(name);
    if (!value) return fallback.value_or(choices.front().second);
    std::string known;
    for (const auto& [text, result] : choices) {
      if (value->is_string() && value->as_string() == text) return result;
      known += (known.empty() ? "" : ", ") + std::string(text);
    }
    refuse("one of " + known, name, value->dump());
  }

  /// Throws `Error(kBadConfig)`: expected `expected` for `name` but received `received`.
  [[noreturn]] void refuse(const std::string& expected, std::string_view name,
                           const std::string& received) const;

 private:
  const Json* find(std::string_view name) const;
  int64_t size_of(const Json& value, std::string_view name, int64_t least, int64_t most) const;

  const Json* json_;  // null: nothing is there
  std::string where_;
};

}  // namespace torchsight
