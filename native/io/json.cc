#include "io/json.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "io/key_set.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr size_t kMaxDepth = 64;
using simdjson::dom::element;
using simdjson::dom::element_type;

[[noreturn]] void malformed(std::string_view what, const std::string& why, const char* reason) {
  throw Error(ErrorCode::kBadInput,
              "expected well-formed JSON for " + std::string(what) + " but received " + why,
              reason);
}

Json from_element(element value, std::string_view what);

Json::Object from_object(simdjson::dom::object object, std::string_view what) {
  Json::Object members;
  KeySet keys;
  for (const auto [key, value] : object) {
    if (!keys.insert(key)) {
      malformed(what, "the key \"" + std::string(key) + "\" twice in one object", "DUPLICATE_KEY");
    }
    members.emplace_back(std::string(key), from_element(value, what));
  }
  return members;
}

// The parser has bounded the depth, so recursion is safe.
Json from_element(element value, std::string_view what) {
  switch (value.type()) {
    case element_type::ARRAY: {
      Json::Array items;
      for (const element item : simdjson::dom::array(value)) {
        items.push_back(from_element(item, what));
      }
      return items;
    }
    case element_type::OBJECT:
      return from_object(value, what);
    case element_type::INT64:
      return int64_t(value);
    case element_type::UINT64:  // above int64's range, as JavaScript would have it
      return static_cast<double>(uint64_t(value));
    case element_type::DOUBLE:
      return double(value);
    case element_type::STRING:
      return std::string(std::string_view(value));
    case element_type::BOOL:
      return bool(value);
    default:
      return nullptr;
  }
}

void dump_string(const std::string& text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const size_t at = kEscaped.find(c); at != std::string_view::npos) {
      out += '\\';
      out += kLetters[at];
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void dump_double(double value, std::string& out) {
  if (!std::isfinite(value)) {  // JSON has no such number; JavaScript writes null as well
    out += "null";
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  const std::string_view written(text, end - text);
  out += written;
  // A whole number keeps its kind when it is read back.
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void dump_value(const Json& value, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += std::to_string(value.as_int());
  } else if (value.is_number()) {
    dump_double(value.as_double(), out);
  } else if (value.is_string()) {
    dump_string(value.as_string(), out);
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Json& item : value.as_array()) {
      if (!first) out += ',';
      first = false;
      dump_value(item, out);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.as_object()) {
      if (!first) out += ',';
      first = false;
      dump_string(key, out);
      out += ':';
      dump_value(member, out);
    }
    out += '}';
  }
}

}  // namespace

Json Json::parse(std::string_view text, std::string_view what) {
  if (text.starts_with("\xEF\xBB\xBF")) malformed(what, "a byte order mark", "MALFORMED");
  simdjson::dom::parser parser;
  auto error = parser.allocate(text.size() + 1, kMaxDepth);
  element root;
  if (!error) error = parser.parse(text.data(), text.size()).get(root);
  if (error == simdjson::DEPTH_ERROR) {
    malformed(what, "nesting deeper than " + std::to_string(kMaxDepth), "TOO_DEEP");
  }
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  if (error) malformed(what, simdjson::error_message(error), "MALFORMED");
  return from_element(root, what);
}

std::string Json::dump() const {
  std::string out;
  dump_value(*this, out);
  return out;
}

}  // namespace torchsight
