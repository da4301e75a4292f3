#include "io/safetensors_header.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "io/key_set.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

constexpr size_t kMaxRank = 64;
constexpr int kMaxDepth = 127;  // serde_json's recursion limit
constexpr size_t kShownName = 100;

class HeaderParser {
 public:
  explicit HeaderParser(std::string_view what) : what_(what) {}
  SafetensorsHeader parse(std::string text, uint64_t data_bytes);

 private:
  [[noreturn]] void fail(const char* reason, const std::string& expected,
                         const std::string& received) const {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected " + expected + " in " + std::string(what_) + " but received " + received,
                reason);
  }
  std::string tensor_text(std::string_view name) const {
    const bool whole = name.size() <= kShownName;
    return "tensor \"" + std::string(whole ? name : name.substr(0, kShownName)) +
           (whole ? "\"" : "...\"");
  }
  // A value of the wrong type has the reason given; text that is not JSON has its own.
  template <typename T>
  T take(simdjson::simdjson_result<T> result, const char* reason, const char* expected) const {
    T taken;
    const auto error = std::move(result).get(taken);
    if (error == simdjson::MEMALLOC) throw std::bad_alloc();
    const bool wrong = error == simdjson::INCORRECT_TYPE || error == simdjson::NUMBER_ERROR ||
                       error == simdjson::NUMBER_OUT_OF_RANGE || error == simdjson::BIGINT_ERROR;
    if (wrong) fail(reason, expected, "something else");
    if (error) fail("INVALID_JSON", "JSON as header", simdjson::error_message(error));
    return taken;
  }
  std::string_view key_of(simdjson::simdjson_result<simdjson::ondemand::field>& field) const {
    return take(field.unescaped_key(), "INVALID_JSON", "a key");
  }
  void require_new(KeySet& keys, std::string_view key) const {
    if (!keys.insert(key))
      fail("DUPLICATE_KEY", "each key once", "\"" + std::string(key) + "\" again");
  }

  void read_metadata(value from);
  void read_tensor(std::string_view name, value from);
  void read_shape(TensorInfo& info, value from) const;
  void read_offsets(TensorInfo& info, value from) const;
  void ignore(value from, int depth) const;

  std::string_view what_;
  SafetensorsHeader header_;
};

void HeaderParser::read_metadata(value from) {
  const char* expected = "an object of strings as __metadata__";
  if (take(from.type(), "INVALID_JSON", expected) == json_type::null) {
    take(from.is_null(), "INVALID_JSON", expected);
    return;
  }
  KeySet keys;
  for (auto field : take(from.get_object(), "INVALID_METADATA", expected)) {
    const std::string_view key = key_of(field);
    require_new(keys, key);
    header_.metadata.emplace_back(
        key, take(take(field.value(), "INVALID_JSON", expected).get_string(), "INVALID_METADATA",
                  expected));
  }
}

void HeaderParser::read_shape(TensorInfo& info, value from) const {
  const char* expected = "an array of sizes as shape";
  for (auto item : take(from.get_array(), "BAD_SHAPE", expected)) {
    const uint64_t size = take(item.get_uint64(), "BAD_SHAPE", expected);
    if (info.shape.size() == kMaxRank) {
      fail("RANK_TOO_LARGE", "at most 64 dimensions", tensor_text(info.name) + " with more");
    }
    if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail("DIMENSION_TOO_LARGE", "sizes below 2^63",
           std::to_string(size) + " for " + tensor_text(info.name));
    }
    info.shape.push_back(static_cast<int64_t>(size));
  }
}

void HeaderParser::read_offsets(TensorInfo& info, value from) const {
  const char* expected = "two byte offsets as data_offsets";
  uint64_t offsets[2] = {0, 0};
  size_t count = 0;
  for (auto item : take(from.get_array(), "BAD_OFFSETS", expected)) {
    const uint64_t offset = take(item.get_uint64(), "BAD_OFFSETS", expected);
    if (count == 2) fail("BAD_OFFSETS", expected, "more for " + tensor_text(info.name));
    offsets[count++] = offset;
  }
  if (count != 2) fail("BAD_OFFSETS", expected, "fewer for " + tensor_text(info.name));
  info.begin = offsets[0];
  info.end = offsets[1];
}

// Members that the format does not know are allowed, but have to be JSON.
void HeaderParser::ignore(value from, int depth) const {
  const char* expected = "a value";
  const json_type type = take(from.type(), "INVALID_JSON", expected);
  const bool nested = type == json_type::array || type == json_type::object;
  if (nested && depth > kMaxDepth) fail("TOO_DEEP", "nesting of at most 127 levels", "more");
  if (type == json_type::array) {
    for (auto item : take(from.get_array(), "INVALID_JSON", expected)) {
      ignore(take(std::move(item), "INVALID_JSON", expected), depth + 1);
    }
  } else if (type == json_type::object) {
    KeySet keys;
    for (auto field : take(from.get_object(), "INVALID_JSON", expected)) {
      require_new(keys, key_of(field));
      ignore(take(field.value(), "INVALID_JSON", expected), depth + 1);
    }
  } else if (type == json_type::string) {
    take(from.get_string(), "INVALID_JSON", expected);
  } else if (type == json_type::number) {
    take(from.get_double(), "INVALID_JSON", expected);
  } else if (type == json_type::boolean) {
    take(from.get_bool(), "INVALID_JSON", expected);
  } else {
    take(from.is_null(), "INVALID_JSON", expected);
  }
}

void HeaderParser::read_tensor(std::string_view name, value from) {
  TensorInfo info;
  info.name = name;
  bool has_dtype = false, has_shape = false, has_offsets = false;
  std::optional<KeySet> others;
  const auto once = [&](bool& seen, const char* key) {
    if (std::exchange(seen, true)) {
      fail("DUPLICATE_KEY", "each key once", std::string(key) + " again in " + tensor_text(name));
    }
  };
  for (auto field : take(from.get_object(), "BAD_ENTRY", "an object for each tensor")) {
    const std::string_view key = key_of(field);
    const value member = take(field.value(), "INVALID_JSON", "a value");
    if (key == "dtype") {
      once(has_dtype, "dtype");
      value text = member;
      const std::string_view token =
          take(text.get_string(), "UNKNOWN_DTYPE", "a dtype of the format");
      info.dtype = safetensors_dtype(token);
      if (info.dtype.empty()) {
        fail("UNKNOWN_DTYPE", "a dtype of the format",
             "\"" + std::string(token.substr(0, kShownName)) + "\" for " + tensor_text(name));
      }
    } else if (key == "shape") {
      once(has_shape, "shape");
      read_shape(info, member);
    } else if (key == "data_offsets") {
      once(has_offsets, "data_offsets");
      read_offsets(info, member);
    } else {
      if (!others) others.emplace();
      require_new(*others, key);
      ignore(member, 3);
    }
  }
  if (!has_dtype || !has_shape || !has_offsets) {
    fail("MISSING_FIELD", "dtype, shape and data_offsets for each tensor",
         tensor_text(name) + " without all three");
  }
  header_.tensors.push_back(std::move(info));
}

SafetensorsHeader HeaderParser::parse(std::string text, uint64_t data_bytes) {
  const size_t length = text.size();
  if (!simdjson::validate_utf8(text.data(), length))
    fail("INVALID_UTF8", "UTF-8 as header", "other bytes");
  if (text.starts_with("\xEF\xBB\xBF")) fail("INVALID_JSON", "JSON as header", "a byte order mark");
  text.append(std::max(kJsonPadding, simdjson::SIMDJSON_PADDING), '\0');
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  const auto error =
      parser.iterate(simdjson::padded_string_view(text.data(), length, text.size())).get(document);
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  if (error) fail("INVALID_JSON", "JSON as header", simdjson::error_message(error));

  KeySet keys;
  for (auto field : take(document.get_object(), "NOT_AN_OBJECT", "an object as header")) {
    const std::string_view key = key_of(field);
    require_new(keys, key);
    const value member = take(field.value(), "INVALID_JSON", "a value");
    if (key == "__metadata__") {
      read_metadata(member);
    } else {
      read_tensor(key, member);
    }
  }
  if (!document.at_end()) fail("INVALID_JSON", "the end of the header", "text behind the JSON");
  arrange_safetensors(header_.tensors, data_bytes, what_);
  return std::move(header_);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string text, uint64_t data_bytes,
                                           std::string_view what) {
  return HeaderParser(what).parse(std::move(text), data_bytes);
}

}  // namespace torchsight
