// Hand-made bad files, each refused with a reason of its own kind.
#include <ctime>
#include <set>

#include "io/safetensors.h"
#include "tests/files.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

struct Case {
  const char* name;
  std::string bytes;
  const char* reason;
};

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                size_t data_bytes) {
  return safetensors_bytes("{" + entry("a", dtype, shape, offsets) + "}", data_bytes);
}

// A header with this in place of the members of tensor "a", over four bytes of data.
std::string members(const std::string& text) {
  return safetensors_bytes("{\"a\":{" + text + "}}", 4);
}

std::string aliases(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i) {
    header += (i ? "," : "") + entry("t" + std::to_string(i), "F32", "2,2", "0,16");
  }
  return safetensors_bytes(header + "}", 16);
}

std::vector<Case> cases() {
  const std::string a = entry("a", "F32", "1", "0,4");
  const std::string d = "\"dtype\":\"F32\",", s = "\"shape\":[1],", o = "\"data_offsets\":[0,4]";
  const auto header = [](const std::string& text) { return safetensors_bytes(text, 4); };
  return {
      // The length of the header.
      {"empty file", "", "HEADER_TOO_SMALL"},
      {"one byte", "\1", "HEADER_TOO_SMALL"},
      {"seven bytes", std::string(7, '\0'), "HEADER_TOO_SMALL"},
      {"header above the cap", little_endian(100'000'001) + "{}", "HEADER_TOO_LARGE"},
      {"header of 2^64-1 bytes", little_endian(UINT64_MAX) + "{}", "HEADER_TOO_LARGE"},
      {"header whose end wraps", little_endian(UINT64_MAX - 7) + "{}", "HEADER_TOO_LARGE"},
      {"header longer than the file", little_endian(3) + "{}", "INVALID_HEADER_LENGTH"},
      {"header at the cap, file short", little_endian(100'000'000) + "{}", "INVALID_HEADER_LENGTH"},
      {"only a length", little_endian(1), "INVALID_HEADER_LENGTH"},
      // Text.
      {"no text", little_endian(0), "INVALID_JSON"},
      {"byte 0xff in a name", header("{\"\xff\":1}"), "INVALID_UTF8"},
      {"overlong UTF-8", header("{\"\xc0\x80\":1}"), "INVALID_UTF8"},
      {"surrogate as UTF-8", header("{\"\xed\xa0\x80\":1}"), "INVALID_UTF8"},
      {"byte order mark", header("\xef\xbb\xbf{" + a + "}"), "INVALID_JSON"},
      {"no closing brace", header("{" + a), "INVALID_JSON"},
      {"trailing comma", header("{" + a + ",}"), "INVALID_JSON"},
      {"missing comma", header("{" + a + " " + entry("b", "F32", "0", "4,4") + "}"),
       "INVALID_JSON"},
      {"missing colon", header("{\"a\" {}}"), "INVALID_JSON"},
      {"comment", header("{" + a + "}//"), "INVALID_JSON"},
      {"text behind", header("{" + a + "}{}"), "INVALID_JSON"},
      {"NUL padding", header("{" + a + "}" + std::string(3, '\0')), "INVALID_JSON"},
      {"single quotes", header("{'a':1}"), "INVALID_JSON"},
      {"control character in a name", header("{\"\x01\":1}"), "INVALID_JSON"},
      {"lone surrogate escape", header("{\"\\ud800\":1}"), "INVALID_JSON"},
      {"unknown escape", header("{\"\\q\":1}"), "INVALID_JSON"},
      {"string without end", header("{\"a"), "INVALID_JSON"},
      {"root is an array", header("[]"), "NOT_AN_OBJECT"},
      {"root is a number", header("7"), "NOT_AN_OBJECT"},
      {"root is null", header("null"), "NOT_AN_OBJECT"},
      // Keys twice.
      {"tensor twice", header("{" + a + "," + a + "}"), "DUPLICATE_KEY"},
      {"tensor twice, once escaped",
       header("{" + a + "," + entry("\\u0061", "F32", "1", "0,4") + "}"), "DUPLICATE_KEY"},
      {"dtype twice", members(d + d + s + o), "DUPLICATE_KEY"},
      {"shape twice", members(d + s + s + o), "DUPLICATE_KEY"},
      {"offsets twice", members(d + s + o + "," + o), "DUPLICATE_KEY"},
      {"unknown member twice", members(d + s + o + ",\"x\":1,\"x\":1"), "DUPLICATE_KEY"},
      {"metadata twice", header("{\"__metadata__\":{},\"__metadata__\":{}," + a + "}"),
       "DUPLICATE_KEY"},
      {"metadata key twice", header("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}," + a + "}"),
       "DUPLICATE_KEY"},
      // Metadata.
      {"number as metadata value", header("{\"__metadata__\":{\"k\":1}," + a + "}"),
       "INVALID_METADATA"},
      {"null as metadata value", header("{\"__metadata__\":{\"k\":null}," + a + "}"),
       "INVALID_METADATA"},
      {"object as metadata value", header("{\"__metadata__\":{\"k\":{}}," + a + "}"),
       "INVALID_METADATA"},
      {"metadata is an array", header("{\"__metadata__\":[]," + a + "}"), "INVALID_METADATA"},
      {"metadata is a string", header("{\"__metadata__\":\"x\"," + a + "}"), "INVALID_METADATA"},
      {"metadata looks like a tensor",
       safetensors_bytes("{" + entry("__metadata__", "F32", "1", "0,4") + "}", 4),
       "INVALID_METADATA"},
      // Entries.
      {"tensor is null", header("{\"a\":null}"), "BAD_ENTRY"},
      {"tensor is a string", header("{\"a\":\"F32\"}"), "BAD_ENTRY"},
      {"tensor is an array", header("{\"a\":[\"F32\",[1],[0,4]]}"), "BAD_ENTRY"},
      {"no members", members(""), "MISSING_FIELD"},
      {"no dtype", members(s + o), "MISSING_FIELD"},
      {"no shape", members(d + o), "MISSING_FIELD"},
      {"no offsets", members(d + "\"shape\":[1]"), "MISSING_FIELD"},
      {"unknown member too deep",
       members(d + s + o + ",\"x\":" + std::string(126, '[') + std::string(126, ']')), "TOO_DEEP"},
      {"unknown member out of range", members(d + s + o + ",\"x\":1e999"), "INVALID_JSON"},
      // Dtypes.
      {"unknown dtype", one("F128", "1", "0,16", 16), "UNKNOWN_DTYPE"},
      {"dtype in lower case", one("f32", "1", "0,4", 4), "UNKNOWN_DTYPE"},
      {"empty dtype", one("", "1", "0,4", 4), "UNKNOWN_DTYPE"},
      {"dtype is a number", members("\"dtype\":1," + s + o), "UNKNOWN_DTYPE"},
      {"dtype is an object", members("\"dtype\":{\"F32\":null}," + s + o), "UNKNOWN_DTYPE"},
      {"half a byte", one("F4", "1", "0,1", 1), "MISALIGNED"},
      {"six bits", one("F6_E2M3", "1", "0,1", 1), "MISALIGNED"},
      // Shapes.
      {"negative size", one("F32", "-1", "0,4", 4), "BAD_SHAPE"},
      {"size is a float", one("F32", "1.0", "0,4", 4), "BAD_SHAPE"},
      {"size with exponent", one("F32", "1e0", "0,4", 4), "BAD_SHAPE"},
      {"size is a string", one("F32", "\"1\"", "0,4", 4), "BAD_SHAPE"},
      {"size is minus zero", one("F32", "-0", "0,0", 0), "BAD_SHAPE"},
      {"size above 2^64", one("F32", "18446744073709551616", "0,4", 4), "BAD_SHAPE"},
      {"size with leading zero", one("F32", "01", "0,4", 4), "BAD_SHAPE"},
      {"nested shape", one("F32", "[1]", "0,4", 4), "BAD_SHAPE"},
      {"shape is a number", members(d + "\"shape\":1," + o), "BAD_SHAPE"},
      {"shape is null", members(d + "\"shape\":null," + o), "BAD_SHAPE"},
      {"rank 65",
       one(
           "F32",
           "1" +
               [] {
                 std::string more;
                 for (int i = 0; i < 64; ++i) more += ",1";
                 return more;
               }(),
           "0,4", 4),
       "RANK_TOO_LARGE"},
      {"empty tensor of size 2^63", one("F32", "0,9223372036854775808", "0,0", 0),
       "DIMENSION_TOO_LARGE"},
      // Products: the shapes that broke other loaders.
      {"product wraps to zero", one("F32", "4294967296,4294967296", "0,0", 0), "OVERFLOW"},
      {"product wraps to four bytes", one("U8", "4294967297,4294967297,4", "0,4", 4), "OVERFLOW"},
      {"bits overflow", one("F32", "1152921504606846976", "0,4", 4), "OVERFLOW"},
      {"overflow before a zero", one("F32", "4294967296,4294967296,0", "0,0", 0), "OVERFLOW"},
      {"shape larger than the data", one("F32", "2", "0,4", 4), "SIZE_MISMATCH"},
      {"shape smaller than the data", one("F32", "1", "0,8", 8), "SIZE_MISMATCH"},
      {"scalar over eight bytes", one("F32", "", "0,8", 8), "SIZE_MISMATCH"},
      {"zero size over data", one("F32", "0", "0,4", 4), "SIZE_MISMATCH"},
      {"huge size over little data", one("U8", "1000000000000", "0,4", 4), "SIZE_MISMATCH"},
      // Offsets.
      {"one offset", one("F32", "1", "0", 4), "BAD_OFFSETS"},
      {"three offsets", one("F32", "1", "0,4,8", 4), "BAD_OFFSETS"},
      {"no offset", one("F32", "1", "", 4), "BAD_OFFSETS"},
      {"negative offset", one("F32", "1", "-4,0", 4), "BAD_OFFSETS"},
      {"float offset", one("F32", "1", "0,4.0", 4), "BAD_OFFSETS"},
      {"offset above 2^64", one("F32", "1", "0,18446744073709551620", 4), "BAD_OFFSETS"},
      {"offsets as strings", one("F32", "1", "\"0\",\"4\"", 4), "BAD_OFFSETS"},
      {"offsets as object", members(d + s + "\"data_offsets\":{\"0\":0,\"1\":4}"), "BAD_OFFSETS"},
      {"begin behind the end", one("F32", "1", "4,0", 4), "INVALID_OFFSET"},
      {"hole before the first", one("F32", "1", "4,8", 8), "INVALID_OFFSET"},
      {"hole between", safetensors_bytes("{" + a + "," + entry("b", "F32", "1", "8,12") + "}", 12),
       "INVALID_OFFSET"},
      {"overlap", safetensors_bytes("{" + a + "," + entry("b", "F32", "1", "2,6") + "}", 6),
       "INVALID_OFFSET"},
      {"ten aliases of the same bytes", aliases(10), "INVALID_OFFSET"},
      {"end before begin, size wraps",
       safetensors_bytes("{" + a + "," + entry("b", "U8", "18446744073709551612", "4,0") + "}", 4),
       "DIMENSION_TOO_LARGE"},
      {"second tensor ends before it begins",
       safetensors_bytes("{" + a + "," + entry("b", "F32", "1", "4,3") + "}", 4), "INVALID_OFFSET"},
      {"offsets near 2^64", one("U8", "4", "18446744073709551611,18446744073709551615", 4),
       "INVALID_OFFSET"},
      // The size of the file.
      {"data too short", one("F32", "1", "0,4", 3), "FILE_TOO_SHORT"},
      {"no data", one("F32", "1", "0,4", 0), "FILE_TOO_SHORT"},
      {"data too long", one("F32", "1", "0,4", 5), "TRAILING_DATA"},
      {"data without tensors", safetensors_bytes("{}", 1), "TRAILING_DATA"},
      {"huge tensor in a small file", one("U8", "1152921504606846975", "0,1152921504606846975", 4),
       "FILE_TOO_SHORT"},
  };
}

}  // namespace

TEST_CASE("bad safetensors files are refused, each for its reason") {
  const TemporaryFolder folder;
  const std::vector<Case> all = cases();
  CHECK(all.size() >= 60);
  std::set<std::string> names, reasons;
  reset_peak();
  const int64_t before = peak_kib();
  for (const Case& one : all) {
    CAPTURE(one.name);
    const auto path = write_file(folder / "bad.safetensors", one.bytes);
    CHECK(outcome_of([&] { SafetensorsFile(InputFile{path}); }) ==
          std::string("BAD_CHECKPOINT/") + one.reason);
    CHECK(names.insert(one.name).second);
    reasons.insert(one.reason);
  }
  CHECK(reasons.size() == 22);
  if (!kSanitized) CHECK(peak_kib() - before < 16 << 10);
}

TEST_CASE("what is no regular file is refused") {
  const TemporaryFolder folder;
  CHECK(outcome_of([&] { InputFile(folder / "none"); }) == "NOT_FOUND/NO_SUCH_FILE");
  CHECK(outcome_of([&] { InputFile(folder.path()); }) == "BAD_CHECKPOINT/NOT_A_FILE");
  CHECK(outcome_of([&] { InputFile("/dev/zero"); }) == "BAD_CHECKPOINT/NOT_A_FILE");
}

TEST_CASE("headers as large as the cap are settled fast and within memory") {
  const TemporaryFolder folder;
  const auto path = folder / "large.safetensors";
  const auto padded = [](std::string text) {
    text.resize(kMaxSafetensorsHeader, ' ');
    return little_endian(text.size()) + text;
  };
  const auto repeated = [](std::string text, const std::string& part, size_t bytes) {
    while (text.size() < bytes) text += part;
    return text;
  };
  const size_t full = kMaxSafetensorsHeader - 200;
  std::string many = "{";
  for (int i = 0; many.size() < full; ++i) {
    many += (i ? "," : "") + entry(std::to_string(i), "U8", "0", "0,0");
  }
  std::string pairs = "{\"__metadata__\":{";
  for (int i = 0; pairs.size() < full; ++i) {
    pairs += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  }
  const std::vector<std::pair<std::string, std::string>> hostile{
      {padded("{}"), "accepted"},
      {padded(many + "}"), "accepted"},
      {padded(pairs + "}}"), "accepted"},
      {padded(repeated("{\"a\":{\"x\":", "[", full)), "BAD_CHECKPOINT/INVALID_JSON"},
      {padded(repeated("{\"a\":{\"x\":", "{\"a\":", full) + "}"), "BAD_CHECKPOINT/TOO_DEEP"},
      {padded(repeated("{\"a\":{\"shape\":[1", ",1", full) + "]}}"),
       "BAD_CHECKPOINT/RANK_TOO_LARGE"},
      {padded(repeated("{\"a\":{\"x\":[1", ",1", full) + "]}}"), "BAD_CHECKPOINT/MISSING_FIELD"},
      {padded("{\"" + std::string(full, 'a') + "\":{}}"), "BAD_CHECKPOINT/MISSING_FIELD"},
  };
  for (const auto& [bytes, expected] : hostile) {
    CAPTURE(bytes.substr(8, 40));
    write_file(path, bytes);
    reset_peak();
    const int64_t before = peak_kib();
    const std::clock_t start = std::clock();  // of this process, whatever else the machine does
    CHECK(outcome_of([&] { SafetensorsFile(InputFile{path}); }) == expected);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (kSanitized) continue;
    CHECK(seconds < (expected == "accepted" ? 4 : 2));
    CHECK(peak_kib() - before < 1 << 20);
  }
}
