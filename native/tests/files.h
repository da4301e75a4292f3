// Files that tests make, and the errors that they expect of them.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "runtime/error.h"

namespace torchsight::tests {

/// A folder that is removed at the end of a test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int counter = 0;
    const auto address = reinterpret_cast<uintptr_t>(&counter);  // differs between processes
    path_ = std::filesystem::temp_directory_path() /
            ("torchsight-test-" + std::to_string(address) + "-" + std::to_string(counter++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path write_file(const std::filesystem::path& path,
                                        const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::string little_endian(uint64_t value, int bytes = 8) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 255);
  return text;
}

/// A safetensors file of that header and so many bytes of data.
inline std::string safetensors_bytes(const std::string& header, size_t data_bytes = 0) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\1');
}

/// The error that `work` throws as "CODE/REASON", or "accepted".
inline std::string outcome_of(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    const Error error = current_error();
    const std::string code(to_string(error.code()));
    return error.reason().empty() ? code : code + "/" + error.reason();
  }
  return "accepted";
}

/// The highest memory use since `reset_peak`, in KiB; 0 where the system does not tell.
inline int64_t peak_kib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return 0;
}

inline void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

// Sanitizers keep freed memory and slow everything down, so bounds do not hold under them.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace torchsight::tests
