#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/file.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// One call moves at most this much: Linux stops at 2 GiB, macOS refuses more.
constexpr uint64_t kLargestCall = uint64_t{1} << 30;

[[noreturn]] void fail(const std::string& action, const std::string& name, int number) {
  const bool absent = number == ENOENT || number == ENOTDIR;
  throw Error(absent ? ErrorCode::kNotFound : ErrorCode::kBadCheckpoint,
              "cannot " + action + " " + name + ": " + std::strerror(number),
              absent ? "NO_SUCH_FILE" : "IO_ERROR");
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path, bool follow) : name_(path.string()) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  const int file = ::open(path.c_str(), flags);
  if (file < 0 && errno == ELOOP && !follow) {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected a plain file for " + name_ + " but received a symbolic link", "SYMLINK");
  }
  if (file < 0) fail("open", name_, errno);
  struct stat status {};
  const int stated = ::fstat(file, &status);
  if (stated != 0 || !S_ISREG(status.st_mode)) {
    const int number = errno;
    ::close(file);
    if (stated != 0) fail("open", name_, number);
    throw Error(ErrorCode::kBadCheckpoint,
                "expected a regular file for " + name_ + " but received something else",
                "NOT_A_FILE");
  }
  handle_ = file;
  size_ = static_cast<uint64_t>(status.st_size);
  identity_ = {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
               static_cast<uint64_t>(status.st_nlink)};
}

InputFile::InputFile(InputFile&& other) noexcept
    : name_(std::move(other.name_)),
      handle_(std::exchange(other.handle_, -1)),
      size_(other.size_),
      identity_(other.identity_) {}

InputFile::~InputFile() {
  if (handle_ >= 0) ::close(static_cast<int>(handle_));
}

void InputFile::read(uint64_t offset, void* to, uint64_t bytes) const {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(static_cast<int>(handle_), at, std::min(bytes, kLargestCall),
                                static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", name_, errno);
    if (got == 0) {
      throw Error(ErrorCode::kBadCheckpoint,
                  "expected " + std::to_string(bytes) + " more bytes at offset " +
                      std::to_string(offset) + " of " + name_ +
                      " but the file became shorter while it was read",
                  "FILE_CHANGED");
    }
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
}

OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  static std::atomic<unsigned> counter{0};
  temporary_ = path;
  temporary_ += ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  handle_ = ::open(temporary_.c_str(), flags, 0666);
  if (handle_ < 0) fail("create", temporary_.string(), errno);
}

OutputFile::~OutputFile() {
  if (handle_ < 0) return;
  ::close(static_cast<int>(handle_));
  ::unlink(temporary_.c_str());
}

void OutputFile::write(uint64_t offset, const void* from, uint64_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = ::pwrite(static_cast<int>(handle_), at, std::min(bytes, kLargestCall),
                                 static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", temporary_.string(), errno);
    at += put;
    offset += static_cast<uint64_t>(put);
    bytes -= static_cast<uint64_t>(put);
  }
}

void OutputFile::commit() {
  if (::fsync(static_cast<int>(handle_)) != 0) fail("write", temporary_.string(), errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("create", path_.string(), errno);
  ::close(static_cast<int>(std::exchange(handle_, -1)));
}

}  // namespace torchsight
#endif
