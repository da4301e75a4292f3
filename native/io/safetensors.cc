#include "io/safetensors.h"

#include <array>
#include <bit>

#include "io/digest.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and is read into memory as it is");

constexpr uint64_t kLengthBytes = 8;

[[noreturn]] void refuse(const InputFile& file, const char* reason, const std::string& expected,
                         uint64_t received) {
  throw Error(
      ErrorCode::kBadCheckpoint,
      "expected " + expected + " in " + file.name() + " but received " + std::to_string(received),
      reason);
}

}  // namespace

SafetensorsFile::SafetensorsFile(InputFile file)
    : TensorFile(file.name(), 4096), file_(std::move(file)) {
  if (file_.size() < kLengthBytes) {
    refuse(file_, "HEADER_TOO_SMALL", "at least 8 bytes", file_.size());
  }
  uint64_t length = 0;
  file_.read(0, &length, kLengthBytes);
  if (length > kMaxSafetensorsHeader) {
    refuse(file_, "HEADER_TOO_LARGE", "a header of at most 100000000 bytes", length);
  }
  if (length > file_.size() - kLengthBytes) {
    refuse(file_, "INVALID_HEADER_LENGTH",
           "a header of at most " + std::to_string(file_.size() - kLengthBytes) + " bytes", length);
  }
  std::string text;
  text.reserve(length + kJsonPadding);
  text.resize(length);
  file_.read(kLengthBytes, text.data(), length);
  data_begin_ = kLengthBytes + length;
  SafetensorsHeader header =
      parse_safetensors_header(std::move(text), file_.size() - data_begin_, file_.name());
  metadata_ = std::move(header.metadata);
  set_tensors(std::move(header.tensors));
}

Json SafetensorsFile::metadata() const {
  Json::Object members;
  for (const auto& [key, value] : metadata_) members.emplace_back(key, value);
  return members;
}

std::string SafetensorsFile::header_digest() const {
  std::string text(data_begin_ - kLengthBytes, '\0');
  file_.read(kLengthBytes, text.data(), text.size());
  return digest_of(text);
}

void SafetensorsFile::read_bytes(const TensorInfo& info, uint64_t offset, void* to,
                                 uint64_t bytes) const {
  file_.read(data_begin_ + info.begin + offset, to, bytes);
}

}  // namespace torchsight
