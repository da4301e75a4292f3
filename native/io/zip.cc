#include "io/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "io/key_set.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kCentralBytes = 46;
constexpr uint64_t kLocalBytes = 30, kLongestComment = 65535;
constexpr uint64_t kMaxDirectory = 100'000'000;
constexpr uint64_t kMaxRatio = 1032;  // deflate cannot pack better than this
constexpr uint32_t kIn64 = 0xFFFFFFFF;

[[noreturn]] void refuse(const ByteSource& archive, const char* reason, const std::string& what) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected a sound zip archive in " + archive.name() + " but received " + what,
              reason);
}

// Little-endian fields of a record that has been read whole.
struct Record {
  std::string bytes;
  template <typename T>
  T at(size_t offset) const {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  bool starts_with(const char (&signature)[5]) const { return bytes.starts_with(signature); }
};

Record read_record(const ByteSource& archive, uint64_t offset, uint64_t bytes, const char* what) {
  if (bytes > archive.size() || offset > archive.size() - bytes) {
    refuse(archive, "ZIP_TRUNCATED", std::string("a file that ends before its ") + what);
  }
  Record record{std::string(bytes, '\0')};
  archive.read(offset, record.bytes.data(), bytes);
  return record;
}

struct Directory {
  uint64_t offset, bytes, entries;
};

Directory find_directory(const ByteSource& archive) {
  const uint64_t tail_bytes = std::min(archive.size(), kEndBytes + kLongestComment);
  const Record tail = read_record(archive, archive.size() - tail_bytes, tail_bytes, "end");
  std::optional<size_t> end;
  for (size_t at = tail_bytes; at-- > 0;) {
    const std::string_view rest = std::string_view(tail.bytes).substr(at);
    if (rest.size() < kEndBytes || !rest.starts_with("PK\5\6")) continue;
    if (tail.at<uint16_t>(at + 20) != rest.size() - kEndBytes) continue;
    end = at;
    break;
  }
  if (!end) refuse(archive, "ZIP_NO_DIRECTORY", "a file without a directory at its end");
  Directory found{tail.at<uint32_t>(*end + 16), tail.at<uint32_t>(*end + 12),
                  tail.at<uint16_t>(*end + 10)};
  if (found.offset != kIn64 && found.bytes != kIn64 && found.entries != 0xFFFF) return found;

  const uint64_t end_offset = archive.size() - tail_bytes + *end;
  if (end_offset < kLocatorBytes) refuse(archive, "ZIP_TRUNCATED", "no zip64 locator");
  const Record locator =
      read_record(archive, end_offset - kLocatorBytes, kLocatorBytes, "zip64 locator");
  if (!locator.starts_with("PK\6\7")) refuse(archive, "ZIP_TRUNCATED", "no zip64 locator");
  const Record end64 = read_record(archive, locator.at<uint64_t>(8), kEnd64Bytes, "zip64 end");
  if (!end64.starts_with("PK\6\6")) refuse(archive, "ZIP_TRUNCATED", "no zip64 end");
  return {end64.at<uint64_t>(48), end64.at<uint64_t>(40), end64.at<uint64_t>(32)};
}

// Sizes that do not fit 32 bits follow in an extra field, in this order.
void read_extra64(const ByteSource& archive, const Record& extra, ZipEntry& entry,
                  uint64_t& local) {
  uint64_t* const fields[] = {&entry.size, &entry.packed, &local};
  for (size_t at = 0; at + 4 <= extra.bytes.size();) {
    const size_t bytes = extra.at<uint16_t>(at + 2);
    const bool inside = bytes <= extra.bytes.size() - at - 4;
    if (extra.at<uint16_t>(at) == 1 && inside) {
      size_t from = at + 4;
      for (uint64_t* field : fields) {
        if (*field != kIn64) continue;
        if (from + 8 > at + 4 + bytes) refuse(archive, "ZIP_EXTRA", "a short zip64 field");
        *field = extra.at<uint64_t>(from);
        from += 8;
      }
      return;
    }
    at += 4 + bytes;
  }
}

void check_local(const ByteSource& archive, ZipEntry& entry, uint64_t local, uint64_t directory) {
  const Record header = read_record(archive, local, kLocalBytes, "entries");
  const uint64_t names = header.at<uint16_t>(26), extra = header.at<uint16_t>(28);
  if (!header.starts_with("PK\3\4") || names != entry.name.size() ||
      read_record(archive, local + kLocalBytes, names, "entries").bytes != entry.name ||
      header.at<uint16_t>(8) != (entry.deflated ? 8 : 0)) {
    refuse(archive, "ZIP_ENTRY_MISMATCH",
           "an entry unlike what the directory says of \"" + entry.name + "\"");
  }
  entry.begin = local + kLocalBytes + names + extra;
  if (entry.begin > directory || entry.packed > directory - entry.begin) {
    refuse(archive, "ZIP_ENTRY_RANGE", "\"" + entry.name + "\" beyond the entries");
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& archive) {
  const Directory directory = find_directory(archive);
  if (directory.bytes > kMaxDirectory)
    refuse(archive, "ZIP_DIRECTORY_SIZE", "too large a directory");
  const Record all = read_record(archive, directory.offset, directory.bytes, "directory");
  std::vector<ZipEntry> entries;
  std::vector<std::pair<uint64_t, uint64_t>> taken;
  size_t at = 0;
  while (at < all.bytes.size()) {
    const Record rest{all.bytes.substr(at, kCentralBytes)};
    if (rest.bytes.size() < kCentralBytes || !rest.starts_with("PK\1\2")) {
      refuse(archive, "ZIP_DIRECTORY", "a broken directory");
    }
    const size_t names = rest.at<uint16_t>(28), extra = rest.at<uint16_t>(30);
    const size_t whole = kCentralBytes + names + extra + rest.at<uint16_t>(32);
    if (whole > all.bytes.size() - at) refuse(archive, "ZIP_DIRECTORY", "a broken directory");
    const uint16_t method = rest.at<uint16_t>(10);
    ZipEntry entry;
    entry.name = all.bytes.substr(at + kCentralBytes, names);
    entry.deflated = method == 8;
    entry.checksum = rest.at<uint32_t>(16);
    entry.packed = rest.at<uint32_t>(20);
    entry.size = rest.at<uint32_t>(24);
    uint64_t local = rest.at<uint32_t>(42);
    read_extra64(archive, {all.bytes.substr(at + kCentralBytes + names, extra)}, entry, local);
    if (rest.at<uint16_t>(8) & 1) refuse(archive, "ZIP_ENCRYPTED", "an encrypted entry");
    if (method != 0 && method != 8) {
      refuse(archive, "ZIP_METHOD", "the packing method " + std::to_string(method));
    }
    const bool possible =
        entry.deflated ? entry.size / kMaxRatio <= entry.packed : entry.size == entry.packed;
    if (!possible) refuse(archive, "ZIP_SIZE", "impossible sizes for \"" + entry.name + "\"");
    check_local(archive, entry, local, directory.offset);
    taken.emplace_back(local, entry.begin + entry.packed);
    entries.push_back(std::move(entry));
    at += whole;
  }
  if (entries.size() != directory.entries) {
    refuse(archive, "ZIP_DIRECTORY", "a directory of another number of entries than it says");
  }
  std::sort(taken.begin(), taken.end());
  for (size_t i = 1; i < taken.size(); ++i) {
    if (taken[i].first < taken[i - 1].second) refuse(archive, "ZIP_OVERLAP", "overlapping entries");
  }
  KeySet names;
  for (const ZipEntry& entry : entries) {
    if (!names.insert(entry.name)) {
      refuse(archive, "DUPLICATE_KEY", "two entries called \"" + entry.name + "\"");
    }
  }
  return entries;
}

}  // namespace torchsight
