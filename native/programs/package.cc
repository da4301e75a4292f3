#include "programs/package.h"

#include <algorithm>

#include "io/json.h"
#include "programs/library.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr uint64_t kMaxText = uint64_t{1} << 28;
constexpr size_t kMaxModels = 1024;
constexpr std::string_view kPrograms = "data/aotinductor/";
constexpr std::string_view kConstants = "data/constants/";

bool is_library(const std::string& name) {
  return name.ends_with(".so") || name.ends_with(".pyd");
}

// Whether a name stays below the folder it is unpacked in, on every system.
bool is_safe(std::string_view name) {
  if (name.empty() || name.find_first_of(std::string_view("\\:\0", 3)) != name.npos) return false;
  while (!name.empty()) {
    const size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return true;
}

const ZipEntry* find(const std::vector<ZipEntry>& entries, const std::string& name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const ZipEntry& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

// The one entry whose name ends so, or null.
const ZipEntry* ending(const std::vector<ZipEntry>& entries, std::string_view end) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const ZipEntry& entry) { return entry.name.ends_with(end); });
  return found == entries.end() ? nullptr : &*found;
}

ProgramMetadata metadata_of(const std::string& text, const std::string& name) {
  try {
    ProgramMetadata metadata;
    const Json json = Json::parse(text, name);
    for (const auto& [key, value] : json.as_object(name)) metadata[key] = value.as_string(key);
    return metadata;
  } catch (const Error& error) {
    throw Error(ErrorCode::kBadCheckpoint, error.what(), "METADATA");
  }
}

}  // namespace

ProgramPackage::ProgramPackage(const std::filesystem::path& path) : file_(path) {
  std::vector<ZipEntry> entries = read_zip_directory(file_);
  for (const ZipEntry& entry : entries) {
    const bool folder = entry.name.ends_with('/');
    if (!is_safe(folder ? entry.name.substr(0, entry.name.size() - 1) : entry.name)) {
      refuse("ZIP_PATH", "an entry that would be unpacked elsewhere: \"" + entry.name + "\"");
    }
  }
  const size_t slash = entries.empty() ? std::string::npos : entries[0].name.find('/');
  if (slash != std::string::npos) root_ = entries[0].name.substr(0, slash + 1);
  const ZipEntry* format = find(entries, root_ + "archive_format");
  if (!format || format->size > 16 || text(*format) != "pt2") {
    refuse("NOT_PT2", "an archive of another kind");
  }
  const ZipEntry* version = find(entries, root_ + "archive_version");
  if (version && text(*version) != "0") {
    throw Error(ErrorCode::kUnsupported,
                "expected version 0 of the archive " + file_.name() + " but received " +
                    text(*version) + "; " + export_again(),
                "ARCHIVE_VERSION");
  }
  for (const ZipEntry& entry : entries) {
    if (!entry.name.starts_with(root_)) {
      refuse("NOT_PT2", "an entry outside of its folder: \"" + entry.name + "\"");
    }
    add_file(entry, entry.name.substr(root_.size()));
  }
  if (models_.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "expected a compiled program in " + file_.name() +
                    " but found only a description of one; compile it with "
                    "torch._inductor.aoti_compile_and_package",
                "NOT_COMPILED");
  }
  for (PackagedModel& model : models_) describe(model, entries);
}

void ProgramPackage::refuse(const char* reason, const std::string& received) const {
  throw Error(ErrorCode::kBadCheckpoint,
              "expected a package of compiled programs (.pt2, made by "
              "torch._inductor.aoti_compile_and_package) in " +
                  file_.name() + " but received " + received,
              reason);
}

std::string ProgramPackage::text(const ZipEntry& entry) const {
  if (entry.size > kMaxText) refuse("TEXT_SIZE", "too large a text in \"" + entry.name + "\"");
  std::string text;
  text.reserve(entry.size);
  unpack_entry(file_, entry, [&](std::string_view piece) { text += piece; });
  return text;
}

void ProgramPackage::add_file(ZipEntry entry, const std::string& inside) {
  if (inside.starts_with(kConstants)) {
    entry.name = inside.substr(kConstants.size());
    constants_.push_back(std::move(entry));
    return;
  }
  if (!inside.starts_with(kPrograms) || inside.ends_with('/')) return;
  const size_t slash = inside.find('/', kPrograms.size());
  if (slash == std::string::npos) return;
  const std::string name = inside.substr(kPrograms.size(), slash - kPrograms.size());
  entry.name = inside.substr(slash + 1);
  auto known = std::find_if(models_.begin(), models_.end(),
                            [&](const PackagedModel& model) { return model.name == name; });
  if (known == models_.end()) {
    if (models_.size() == kMaxModels) refuse("MODELS", "too many models");
    known = models_.insert(models_.end(), PackagedModel{name, {}, {}, {}, {}});
  }
  known->files.push_back(std::move(entry));
}

void ProgramPackage::describe(PackagedModel& model, const std::vector<ZipEntry>& entries) {
  const auto unsupported = [&](const char* reason, const std::string& why) {
    throw Error(ErrorCode::kUnsupported,
                "expected the compiled model \"" + model.name + "\" in " + file_.name() +
                    " but found " + why,
                reason);
  };
  bool compiled = false;
  for (const ZipEntry& entry : model.files) {
    if (!is_library(entry.name)) continue;
    compiled = true;
    const uint64_t bytes = std::min(entry.size, kLibraryHeaders);
    std::string beginning(bytes, '\0');
    if (entry.deflated) {
      beginning = inflate_entry(file_, entry, bytes);
    } else {
      file_.read(entry.begin, beginning.data(), bytes);
    }
    check_library(beginning, entry.size, entry.name);
  }
  if (!compiled) {
    unsupported("SOURCE_ONLY", "its source alone; export it without package_cpp_only");
  }
  if (find(model.files, "weights_config.json")) {
    unsupported("WEIGHTS_APART",
                "its weights pickled beside it, which only Python can read; export it without "
                "package_constants_on_disk_format, or with \"binary_blob\"");
  }
  const ZipEntry* metadata = ending(model.files, "wrapper_metadata.json");
  const ZipEntry* source = ending(model.files, "wrapper.cpp");
  if (!metadata || !source) {
    unsupported("NO_METADATA", "no *.wrapper_metadata.json and *.wrapper.cpp; " + export_again());
  }
  model.metadata = metadata_of(text(*metadata), metadata->name);
  model.source = text(*source);
  if (const ZipEntry* exported = find(entries, root_ + "models/" + model.name + ".json")) {
    model.exported = text(*exported);
  }
}

const PackagedModel& ProgramPackage::model(const std::string& name) const {
  std::string known;
  for (const PackagedModel& model : models_) {
    if (model.name == name) return model;
    known += (known.empty() ? "" : ", ") + model.name;
  }
  throw Error(ErrorCode::kNotFound, "expected one of the models " + known + " of " + file_.name() +
                                        " but received \"" + name + "\"");
}

}  // namespace torchsight
