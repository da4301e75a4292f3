#ifdef _WIN32
#define NOMINMAX
#include <windows.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "io/file.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr uint64_t kLargestCall = uint64_t{1} << 30;

HANDLE handle_of(intptr_t handle) {
  return reinterpret_cast<HANDLE>(handle);
}

[[noreturn]] void fail(const std::string& action, const std::string& name, DWORD number) {
  const bool absent = number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND;
  throw Error(absent ? ErrorCode::kNotFound : ErrorCode::kBadCheckpoint,
              "cannot " + action + " " + name + ": error " + std::to_string(number),
              absent ? "NO_SUCH_FILE" : "IO_ERROR");
}

OVERLAPPED at_offset(uint64_t offset) {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return at;
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path, bool follow) : name_(path.string()) {
  const DWORD flags = FILE_ATTRIBUTE_NORMAL | (follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
  HANDLE file = ::CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                              nullptr, OPEN_EXISTING, flags, nullptr);
  if (file == INVALID_HANDLE_VALUE) fail("open", name_, ::GetLastError());
  BY_HANDLE_FILE_INFORMATION status{};
  const bool known = ::GetFileInformationByHandle(file, &status) != 0;
  const bool link = known && (status.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) && !follow;
  const bool folder = known && (status.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
  if (!known || link || folder || ::GetFileType(file) != FILE_TYPE_DISK) {
    ::CloseHandle(file);
    throw Error(ErrorCode::kBadCheckpoint,
                "expected a regular file for " + name_ + " but received something else",
                link ? "SYMLINK" : "NOT_A_FILE");
  }
  handle_ = reinterpret_cast<intptr_t>(file);
  size_ = uint64_t{status.nFileSizeHigh} << 32 | status.nFileSizeLow;
  identity_ = {status.dwVolumeSerialNumber,
               uint64_t{status.nFileIndexHigh} << 32 | status.nFileIndexLow, status.nNumberOfLinks};
}

InputFile::InputFile(InputFile&& other) noexcept
    : name_(std::move(other.name_)),
      handle_(std::exchange(other.handle_, -1)),
      size_(other.size_),
      identity_(other.identity_) {}

InputFile::~InputFile() {
  if (handle_ != -1) ::CloseHandle(handle_of(handle_));
}

void InputFile::read(uint64_t offset, void* to, uint64_t bytes) const {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    OVERLAPPED place = at_offset(offset);
    DWORD got = 0;
    const auto part = static_cast<DWORD>(std::min(bytes, kLargestCall));
    const bool good = ::ReadFile(handle_of(handle_), at, part, &got, &place) != 0;
    if (!good && ::GetLastError() != ERROR_HANDLE_EOF) fail("read", name_, ::GetLastError());
    if (got == 0) {
      throw Error(ErrorCode::kBadCheckpoint,
                  "expected " + std::to_string(bytes) + " more bytes of " + name_ +
                      " but the file became shorter while it was read",
                  "FILE_CHANGED");
    }
    at += got;
    offset += got;
    bytes -= got;
  }
}

OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  static std::atomic<unsigned> counter{0};
  temporary_ = path;
  temporary_ +=
      ".partial-" + std::to_string(::GetCurrentProcessId()) + "-" + std::to_string(counter++);
  HANDLE file = ::CreateFileW(temporary_.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                              FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) fail("create", temporary_.string(), ::GetLastError());
  handle_ = reinterpret_cast<intptr_t>(file);
}

OutputFile::~OutputFile() {
  if (handle_ == -1) return;
  ::CloseHandle(handle_of(handle_));
  ::DeleteFileW(temporary_.c_str());
}

void OutputFile::write(uint64_t offset, const void* from, uint64_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    OVERLAPPED place = at_offset(offset);
    DWORD put = 0;
    const auto part = static_cast<DWORD>(std::min(bytes, kLargestCall));
    if (!::WriteFile(handle_of(handle_), at, part, &put, &place)) {
      fail("write", temporary_.string(), ::GetLastError());
    }
    at += put;
    offset += put;
    bytes -= put;
  }
}

void OutputFile::commit() {
  if (!::FlushFileBuffers(handle_of(handle_))) {
    fail("write", temporary_.string(), ::GetLastError());
  }
  ::CloseHandle(handle_of(std::exchange(handle_, -1)));
  const DWORD flags = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
  if (!::MoveFileExW(temporary_.c_str(), path_.c_str(), flags)) {
    const DWORD number = ::GetLastError();
    ::DeleteFileW(temporary_.c_str());
    fail("create", path_.string(), number);
  }
}

}  // namespace torchsight
#endif
