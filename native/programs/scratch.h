// A folder for what a package unpacks.
#pragma once

#include <filesystem>

namespace torchsight {

/// A folder that only this user may enter, removed with all that is in it at the end.
class Scratch {
 public:
  /// Makes it in `parent`, or in the system's folder for temporary files. Throws `Error(kBadInput)`
  /// with the reason NO_SCRATCH where that fails.
  explicit Scratch(std::filesystem::path parent = {});
  ~Scratch() { remove(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Removes the folder now. What is mapped of its files stays mapped, but on Windows, where such
  /// files stay.
  void remove() noexcept;

 private:
  std::filesystem::path path_;
};

}  // namespace torchsight
