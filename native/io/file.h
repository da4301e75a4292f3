// Files by offset: reads that cannot fault when a file shrinks, writes that appear whole or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace torchsight {

/// What decides whether two paths name the same file.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t index = 0;
  uint64_t links = 1;
  bool operator==(const FileIdentity& other) const {
    return device == other.device && index == other.index;
  }
};

/// Bytes by offset, of a file or of memory.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual const std::string& name() const noexcept = 0;
  virtual uint64_t size() const noexcept = 0;
  /// Fills `to` with `bytes` bytes from `offset`. Safe from many threads.
  virtual void read(uint64_t offset, void* to, uint64_t bytes) const = 0;
};

/// A regular file opened for reading. Its size is taken once, from the open file itself.
class InputFile : public ByteSource {
 public:
  /// Throws `Error(kNotFound)` where there is no such file and `Error(kBadCheckpoint)` with the
  /// reason NOT_A_FILE for folders, devices and pipes. With `follow` false a symbolic link as the
  /// last part of the path is refused with the reason SYMLINK.
  explicit InputFile(const std::filesystem::path& path, bool follow = true);
  ~InputFile() override;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  uint64_t size() const noexcept override { return size_; }
  const FileIdentity& identity() const noexcept { return identity_; }
  const std::string& name() const noexcept override { return name_; }

  /// A file that has become shorter is `Error(kBadCheckpoint)` with the reason FILE_CHANGED.
  void read(uint64_t offset, void* to, uint64_t bytes) const override;

 private:
  std::string name_;
  intptr_t handle_ = -1;
  uint64_t size_ = 0;
  FileIdentity identity_;
};

/// A file that is written beside its final name and takes that name in `commit`. Removed where
/// `commit` was not reached.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(uint64_t offset, const void* from, uint64_t bytes);
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  intptr_t handle_ = -1;
};

}  // namespace torchsight
