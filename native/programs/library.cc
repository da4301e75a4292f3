#include "programs/library.h"

#include <cstring>

#include "programs/target.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

#if defined(__aarch64__) || defined(_M_ARM64)
constexpr uint16_t kElfMachine = 183;
constexpr std::string_view kMachHeader("\xCF\xFA\xED\xFE\x0C\x00\x00\x01", 8);
#else
constexpr uint16_t kElfMachine = 62;
constexpr std::string_view kMachHeader("\xCF\xFA\xED\xFE\x07\x00\x00\x01", 8);
#endif

constexpr std::string_view kElf("\x7F\x45LF", 4);
constexpr std::string_view kElf64LittleEndian("\x02\x01", 2);
constexpr size_t kElfHeader = 64, kSegmentHeader = 56;
constexpr uint32_t kLoaded = 1;

[[noreturn]] void refuse(const std::string& name, const std::string& received) {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected a shared library for " + name + " but received " + received,
              "NOT_A_LIBRARY");
}

// A little-endian field, on machines that are so too.
template <typename T>
T field(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

void check_elf(std::string_view bytes, uint64_t size, const std::string& name) {
  if (bytes.size() < kElfHeader) refuse(name, "the beginning of one");
  if (bytes.substr(4, 2) != kElf64LittleEndian || field<uint16_t>(bytes, 18) != kElfMachine) {
    refuse_machine(name, "another processor (ELF)");
  }
  const auto table = field<uint64_t>(bytes, 32);
  const auto entry = field<uint16_t>(bytes, 54), count = field<uint16_t>(bytes, 56);
  if (entry != kSegmentHeader || table > bytes.size() ||
      count > (bytes.size() - table) / kSegmentHeader) {
    refuse(name, "one without a table of segments");
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string_view segment = bytes.substr(table + i * kSegmentHeader, kSegmentHeader);
    const auto offset = field<uint64_t>(segment, 8), length = field<uint64_t>(segment, 32);
    if (field<uint32_t>(segment, 0) != kLoaded) continue;
    if (offset > size || length > size - offset) refuse(name, "one that ends early");
  }
}

}  // namespace

void check_library(std::string_view beginning, uint64_t size, const std::string& name) {
  const bool elf = beginning.starts_with(kElf);
  const bool mach = beginning.starts_with(kMachHeader.substr(0, 4));
  const bool portable = beginning.starts_with("MZ");
  if (!elf && !mach && !portable) refuse(name, "other bytes");
#if defined(__APPLE__)
  if (beginning.starts_with(kMachHeader)) return;
#elif defined(_WIN32)
  if (portable) return;
#else
  if (elf) return check_elf(beginning, size, name);
#endif
  refuse_machine(name, elf ? "Linux" : mach ? "macOS" : "Windows");
}

}  // namespace torchsight
