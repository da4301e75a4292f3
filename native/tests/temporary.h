#pragma once

#include <filesystem>
#include <random>
#include <string>

/// A path in the system's temporary folder that nothing exists at; what is put there is removed.
class TemporaryPath {
 public:
  TemporaryPath() {
    std::random_device random;
    path_ = std::filesystem::temp_directory_path() /
            ("torchsight-" + std::to_string(random()) + std::to_string(random()));
  }
  ~TemporaryPath() { std::filesystem::remove_all(path_); }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  std::string string() const { return path_.string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};
