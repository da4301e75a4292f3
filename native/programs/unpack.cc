// Out of the archive, into files that libtorch can map.
#include <fstream>

#include "programs/package.h"
#include "runtime/error.h"

namespace torchsight {

void ProgramPackage::unpack(const PackagedModel& model, const std::filesystem::path& folder,
                            JobContext& context) const {
  const auto target = folder / "data" / "aotinductor" / model.name;
  std::vector<ZipEntry> files = model.files;
  files.insert(files.end(), constants_.begin(), constants_.end());
  Progress progress{0, 0, "unpack"};
  for (const ZipEntry& entry : files) progress.total += static_cast<double>(entry.size);
  std::error_code unknown;
  const auto room = std::filesystem::space(folder, unknown);
  if (!unknown && static_cast<double>(room.available) < progress.total) {
    throw Error(ErrorCode::kOutOfMemory,
                "expected " + std::to_string(static_cast<uint64_t>(progress.total)) +
                    " free bytes in " + folder.string() + " to unpack " + file_.name() +
                    " but there are " + std::to_string(room.available) +
                    "; set TMPDIR to a folder with room",
                "NO_ROOM");
  }
  for (const ZipEntry& entry : files) {
    const auto path = target / std::filesystem::path(entry.name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream output(path, std::ios::binary);
    unpack_entry(file_, entry, [&](std::string_view piece) {
      output.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      progress.done += static_cast<double>(piece.size());
      context.progress(progress);
      context.checkpoint();
    });
    output.close();
    if (!output) throw Error(ErrorCode::kOutOfMemory, "cannot write " + path.string(), "NO_ROOM");
  }
}

}  // namespace torchsight
