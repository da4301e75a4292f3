// A package of programs: the archive that `torch._inductor.aoti_compile_and_package` and
// `torch.export.pt2_archive.package_pt2` write (.pt2). All of it is looked at before any of it is
// unpacked or run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/zip.h"
#include "programs/target.h"
#include "runtime/job.h"

namespace torchsight {

/// One compiled model of a package.
struct PackagedModel {
  std::string name;
  std::vector<ZipEntry> files;  // below `data/aotinductor/NAME/`; their names are relative to it
  ProgramMetadata metadata;
  std::string source;    // of its wrapper
  std::string exported;  // text of `models/NAME.json`; empty where there is none
};

class ProgramPackage {
 public:
  /// Reads the directory and the descriptions of all models. Throws `Error(kNotFound)` where there
  /// is no file, `Error(kBadCheckpoint)` for files that are no such package or are damaged, and
  /// `Error(kUnsupported)` for packages of source alone, of weights kept apart, and without code.
  explicit ProgramPackage(const std::filesystem::path& path);

  const std::vector<PackagedModel>& models() const noexcept { return models_; }
  /// The model of that name. Throws `Error(kNotFound)` with the names that there are.
  const PackagedModel& model(const std::string& name) const;

  /// Writes the files of a model into `folder`, as libtorch looks for them, and tells of the bytes.
  /// Throws `Error(kBadCheckpoint)` for damaged entries, `Error(kOutOfMemory)` where the disk has
  /// no room.
  void unpack(const PackagedModel& model, const std::filesystem::path& folder,
              JobContext& context) const;

 private:
  [[noreturn]] void refuse(const char* reason, const std::string& received) const;
  std::string text(const ZipEntry& entry) const;
  void add_file(ZipEntry entry, const std::string& inside);
  void describe(PackagedModel& model, const std::vector<ZipEntry>& entries);

  InputFile file_;
  std::string root_;  // the folder that all entries lie in, with its slash
  std::vector<PackagedModel> models_;
  std::vector<ZipEntry> constants_;  // objects that all models share
};

}  // namespace torchsight
