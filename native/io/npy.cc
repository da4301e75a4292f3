#include "io/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 64;

struct Descr {
  std::string_view text, token;
  uint64_t bytes;
};
constexpr std::array<Descr, 15> kDescrs{{{"<f4", "F32", 4},
                                         {"<f8", "F64", 8},
                                         {"<f2", "F16", 2},
                                         {"|V2", "BF16", 2},
                                         {"<V2", "BF16", 2},
                                         {"|i1", "I8", 1},
                                         {"|u1", "U8", 1},
                                         {"<i2", "I16", 2},
                                         {"<u2", "U16", 2},
                                         {"<i4", "I32", 4},
                                         {"<u4", "U32", 4},
                                         {"<i8", "I64", 8},
                                         {"<u8", "U64", 8},
                                         {"|b1", "BOOL", 1},
                                         {"<c8", "C64", 8}}};

[[noreturn]] void refuse(std::string_view what, const char* reason, const std::string& expected,
                         const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected " + expected + " in " + std::string(what) + " but received " + received,
              reason);
}

// Reads the one form of literal that NumPy writes: a dict of a string, a boolean and a tuple.
class Literal {
 public:
  Literal(std::string_view text, std::string_view what) : rest_(text), what_(what) {}

  bool take(char wanted) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(char wanted) {
    if (!take(wanted)) fail(std::string("'") + wanted + "'");
  }
  std::string_view string() {
    const char quote = take('"') ? '"' : '\'';
    if (quote == '\'') need('\'');
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) fail("a string that ends");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return word == "True";
    }
    fail("True or False");
  }
  std::vector<int64_t> sizes() {
    std::vector<int64_t> sizes;
    need('(');
    while (!take(')')) {
      skip_blanks();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) fail("a size");
      if (sizes.size() == kMaxRank)
        refuse(what_, "RANK_TOO_LARGE", "at most 64 dimensions", "more");
      sizes.push_back(size);
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      take('L');  // Python 2 wrote long integers so
      if (!take(',')) {
        need(')');
        break;
      }
    }
    return sizes;
  }
  bool done() {
    skip_blanks();
    return rest_.empty();
  }
  [[noreturn]] void fail(const std::string& expected) const {
    refuse(what_, "NPY_HEADER", expected + " in a npy header", "other text");
  }

 private:
  void skip_blanks() {
    const size_t blanks = std::min(rest_.find_first_not_of(" \t\n"), rest_.size());
    rest_.remove_prefix(blanks);
  }
  std::string_view rest_, what_;
};

}  // namespace

uint64_t npy_header_bytes(std::string_view prefix, std::string_view what) {
  if (prefix.size() < 10 || !prefix.starts_with(kMagic)) {
    refuse(what, "NPY_MAGIC", "a npy array", "other bytes");
  }
  const auto major = static_cast<unsigned char>(prefix[6]);
  if (major < 1 || major > 3 || prefix[7] != 0 || (major > 1 && prefix.size() < kNpyPrefix)) {
    refuse(what, "NPY_VERSION", "npy format 1.0, 2.0 or 3.0", std::to_string(major));
  }
  const size_t field = major == 1 ? 2 : 4;
  uint32_t length = 0;
  std::memcpy(&length, prefix.data() + 8, field);
  if (length > kMaxNpyHeader) {
    refuse(what, "NPY_HEADER_TOO_LARGE", "a npy header of at most 1 MiB", std::to_string(length));
  }
  return 8 + field + length;
}

TensorInfo parse_npy_header(std::string_view header, std::string name, uint64_t data_bytes,
                            std::string_view what) {
  const size_t prefix = header[6] == 1 ? 10 : kNpyPrefix;
  Literal literal(header.substr(prefix), what);
  TensorInfo info;
  std::string_view descr;
  bool has_descr = false, has_order = false, has_shape = false;
  const auto once = [&](bool& seen) {
    if (std::exchange(seen, true))
      refuse(what, "DUPLICATE_KEY", "each key of a header once", "two");
  };
  literal.need('{');
  while (!literal.take('}')) {
    const std::string_view key = literal.string();
    literal.need(':');
    if (key == "descr") {
      once(has_descr);
      if (literal.take('[')) refuse(what, "NPY_DTYPE", "an array of plain numbers", "a structure");
      descr = literal.string();
    } else if (key == "fortran_order") {
      once(has_order);
      info.column_major = literal.boolean();
    } else if (key == "shape") {
      once(has_shape);
      info.shape = literal.sizes();
    } else {
      literal.fail("descr, fortran_order or shape");
    }
    if (!literal.take(',')) {
      literal.need('}');
      break;
    }
  }
  if (!literal.done() || !has_descr || !has_order || !has_shape) literal.fail("its three keys");
  const auto* known = std::find_if(kDescrs.begin(), kDescrs.end(),
                                   [&](const Descr& one) { return one.text == descr; });
  if (known == kDescrs.end()) {
    std::string shown(descr.substr(0, 40));
    refuse(what, "NPY_DTYPE", "a little-endian array of plain numbers", shown);
  }
  uint64_t bytes = known->bytes;
  for (const int64_t size : info.shape) {
    const auto factor = static_cast<uint64_t>(size);
    if (factor != 0 && bytes > std::numeric_limits<uint64_t>::max() / factor) {
      refuse(what, "OVERFLOW", "sizes whose product fits 64 bits", "larger ones");
    }
    bytes *= factor;
  }
  if (bytes != data_bytes) {
    refuse(what, "SIZE_MISMATCH", std::to_string(bytes) + " bytes of data",
           std::to_string(data_bytes));
  }
  info.name = std::move(name);
  info.dtype = known->token;
  info.begin = header.size();
  info.end = info.begin + bytes;
  return info;
}

}  // namespace torchsight
