#include "io/npz.h"

#include <cstring>
#include <mutex>

#include "io/npy.h"
#include "io/zip.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr std::string_view kEnding = ".npy";

class NpzFile : public TensorFile {
 public:
  NpzFile(InputFile file, const std::vector<ZipEntry>& entries)
      : TensorFile(file.name(), 4096), file_(std::move(file)) {
    std::vector<TensorInfo> tensors;
    for (const ZipEntry& entry : entries) {
      if (!entry.name.ends_with(kEnding)) continue;
      entries_.push_back(entry);
      tensors.push_back(read_header(entry));
    }
    set_tensors(std::move(tensors));
  }

 protected:
  void read_bytes(const TensorInfo& info, uint64_t offset, void* to,
                  uint64_t bytes) const override {
    const ZipEntry& entry = entries_[static_cast<size_t>(&info - tensors().data())];
    if (!entry.deflated) return file_.read(entry.begin + info.begin + offset, to, bytes);
    const auto unpacked = unpack(entry);
    std::memcpy(to, unpacked->data() + info.begin + offset, bytes);
  }

 private:
  TensorInfo read_header(const ZipEntry& entry) const {
    const auto start = [&](uint64_t bytes) {
      bytes = std::min(bytes, entry.size);
      if (entry.deflated) return inflate_entry(file_, entry, bytes);
      std::string text(bytes, '\0');
      file_.read(entry.begin, text.data(), text.size());
      return text;
    };
    const uint64_t length = npy_header_bytes(start(kNpyPrefix), name());
    const std::string header = start(length);
    if (header.size() < length) {
      throw Error(ErrorCode::kBadCheckpoint,
                  "expected a whole npy header for \"" + entry.name + "\" in " + name() +
                      " but received its beginning",
                  "NPY_HEADER");
    }
    const std::string array = entry.name.substr(0, entry.name.size() - kEnding.size());
    return parse_npy_header(header, array, entry.size - length, name());
  }

  // Deflated data has no middle to begin at, so the array last asked for is kept unpacked.
  std::shared_ptr<const std::string> unpack(const ZipEntry& entry) const {
    const std::lock_guard lock(mutex_);
    if (!unpacked_ || unpacked_begin_ != entry.begin) {
      unpacked_.reset();
      unpacked_ = std::make_shared<const std::string>(inflate_entry(file_, entry, entry.size));
      unpacked_begin_ = entry.begin;
    }
    return unpacked_;
  }

  InputFile file_;
  std::vector<ZipEntry> entries_;  // of the tensors, in their order
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const std::string> unpacked_;
  mutable uint64_t unpacked_begin_ = 0;
};

}  // namespace

std::unique_ptr<TensorFile> open_npz(InputFile file) {
  const std::filesystem::path path(file.name());
  if (path.extension() != kEnding) {
    const auto entries = read_zip_directory(file);
    return std::make_unique<NpzFile>(std::move(file), entries);
  }
  ZipEntry whole;
  whole.name = path.filename().string();
  whole.packed = whole.size = file.size();
  return std::make_unique<NpzFile>(std::move(file), std::vector{whole});
}

}  // namespace torchsight
