#include "programs/scratch.h"

#include <random>
#include <string>

#include "runtime/error.h"

namespace torchsight {

Scratch::Scratch(std::filesystem::path parent) {
  std::error_code error;
  if (parent.empty()) parent = std::filesystem::temp_directory_path(error);
  std::random_device random;
  const auto path =
      parent / ("torchsight-program-" + std::to_string(random()) + std::to_string(random()));
  // A folder that somebody else has made under this name would be no place for code.
  const bool made = !error && std::filesystem::create_directory(path, error);
  if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (made && !error) {
    path_ = path;
    return;
  }
  throw Error(ErrorCode::kBadInput,
              "expected a folder for temporary files but cannot make " + path.string() + ": " +
                  (error ? error.message() : "it is there already") +
                  "; set TMPDIR to a folder that can be written to",
              "NO_SCRATCH");
}

void Scratch::remove() noexcept {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  path_.clear();
}

}  // namespace torchsight
