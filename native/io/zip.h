// The directory of a zip archive, as far as npz files and packages of programs use it. Hostile
// input.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace torchsight {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  uint64_t begin = 0;  // of its bytes in the archive
  uint64_t packed = 0;
  uint64_t size = 0;  // unpacked; equal to `packed` where it is stored
  uint32_t checksum = 0;
};

/// The entries of an archive in the order of their bytes. Refused as `Error(kBadCheckpoint)`:
/// archives whose directory and entries disagree, entries that overlap, equal names, encryption,
/// and methods other than "stored" and "deflate".
std::vector<ZipEntry> read_zip_directory(const ByteSource& archive);

/// The first `bytes` unpacked bytes of a deflated entry; all of them are checked against size and
/// checksum. Throws `Error(kUnsupported)` where this library was built without zlib.
std::string inflate_entry(const ByteSource& archive, const ZipEntry& entry, uint64_t bytes);

/// Hands all unpacked bytes of an entry to `put`, piece by piece, and then checks them: what was
/// put is not to be used if this throws `Error(kBadCheckpoint)`. Throws `Error(kUnsupported)` where
/// this library was built without zlib.
void unpack_entry(const ByteSource& archive, const ZipEntry& entry,
                  const std::function<void(std::string_view)>& put);

}  // namespace torchsight
