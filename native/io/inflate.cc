#include "io/zip.h"
#include "runtime/error.h"

#ifdef TORCHSIGHT_ZLIB
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <vector>
#endif

namespace torchsight {

#ifdef TORCHSIGHT_ZLIB
namespace {

constexpr uint64_t kChunk = uint64_t{1} << 20;

[[noreturn]] void refuse(const ByteSource& archive, const ZipEntry& entry) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected sound packed data for \"" + entry.name + "\" in " + archive.name() +
                  " but received other bytes, another size or another checksum",
              "ZIP_DATA");
}

}  // namespace

std::string inflate_entry(const ByteSource& archive, const ZipEntry& entry, uint64_t bytes) {
  z_stream stream{};
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ending(&stream, &::inflateEnd);
  std::string unpacked(bytes, '\0');
  std::vector<unsigned char> packed(std::min(kChunk, entry.packed));
  uLong checksum = ::crc32(0, nullptr, 0);
  uint64_t in = 0, out = 0;
  int state = Z_OK;
  while (state == Z_OK && (out < bytes || bytes == entry.size)) {
    if (stream.avail_in == 0 && in < entry.packed) {
      stream.avail_in = static_cast<uInt>(std::min(kChunk, entry.packed - in));
      stream.next_in = packed.data();
      archive.read(entry.begin + in, packed.data(), stream.avail_in);
      in += stream.avail_in;
    }
    const auto room = static_cast<uInt>(std::min(kChunk, bytes - out));
    auto* to = reinterpret_cast<Bytef*>(unpacked.data() + out);
    stream.next_out = to;
    stream.avail_out = room;
    state = ::inflate(&stream, Z_NO_FLUSH);
    checksum = ::crc32(checksum, to, room - stream.avail_out);
    out += room - stream.avail_out;
  }
  if (bytes < entry.size && out == bytes) return unpacked;
  const bool whole = state == Z_STREAM_END && out == entry.size && in == entry.packed &&
                     stream.avail_in == 0 && checksum == entry.checksum;
  if (!whole) refuse(archive, entry);
  return unpacked;
}

void unpack_entry(const ByteSource& archive, const ZipEntry& entry,
                  const std::function<void(std::string_view)>& put) {
  if (entry.deflated) return put(inflate_entry(archive, entry, entry.size));
  std::vector<char> piece(std::min(kChunk, entry.size));
  uLong checksum = ::crc32(0, nullptr, 0);
  for (uint64_t at = 0; at < entry.size;) {
    const uint64_t bytes = std::min(kChunk, entry.size - at);
    archive.read(entry.begin + at, piece.data(), bytes);
    checksum =
        ::crc32(checksum, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(bytes));
    put({piece.data(), bytes});
    at += bytes;
  }
  if (checksum != entry.checksum) refuse(archive, entry);
}
#else
std::string inflate_entry(const ByteSource& archive, const ZipEntry& entry, uint64_t bytes) {
  throw Error(ErrorCode::kUnsupported,
              "expected stored entries in " + archive.name() + " but received \"" + entry.name +
                  "\" deflated, which this build without zlib cannot unpack",
              "NO_ZLIB");
}

void unpack_entry(const ByteSource& archive, const ZipEntry& entry,
                  const std::function<void(std::string_view)>& put) {
  throw Error(ErrorCode::kUnsupported,
              "expected a build with zlib to check \"" + entry.name + "\" of " + archive.name() +
                  " but this one has none",
              "NO_ZLIB");
}
#endif

}  // namespace torchsight
