#include "programs/package.h"

#include <algorithm>

#include "programs/scratch.h"
#include "runtime/loader.h"
#include "tests/files.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

uint32_t checksum(const std::string& bytes) {
  uint32_t value = ~uint32_t{0};
  for (const char byte : bytes) {
    value ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
  }
  return ~value;
}

std::string archive_of(const Files& files) {
  std::string bytes, directory;
  for (const auto& [name, data] : files) {
    const std::string common = little_endian(20, 2) + little_endian(0, 8) +
                               little_endian(checksum(data), 4) + little_endian(data.size(), 4) +
                               little_endian(data.size(), 4) + little_endian(name.size(), 2) +
                               little_endian(0, 2);
    directory += "PK\1\2" + little_endian(20, 2) + common + little_endian(0, 10) +
                 little_endian(bytes.size(), 4) + name;
    bytes += "PK\3\4" + common + name + data;
  }
  const std::string count = little_endian(files.size(), 2);
  return bytes + directory + "PK\5\6" + little_endian(0, 4) + count + count +
         little_endian(directory.size(), 4) + little_endian(bytes.size(), 4) + little_endian(0, 2);
}

// A library of this machine whose headers are sound, and that holds nothing.
std::string library() {
#ifdef __APPLE__
  const auto c10 = test::libraries() / "libc10.dylib";
  return read_file(c10).substr(0, 64);
#else
  const auto c10 = test::libraries() / "libc10.so";
  std::string header = read_file(c10).substr(0, 64);
  header[56] = header[57] = 0;  // no segments
  return header;
#endif
}

const std::string kModel = "m/data/aotinductor/model/";

// What a package of one model holds at least; `changed` replaces or adds entries, and an entry of
// "-" is left out.
Files package(const Files& changed = {}) {
  Files files{{"m/archive_format", "pt2"},
              {"m/archive_version", "0"},
              {kModel + "a.wrapper.so", library()},
              {kModel + "a.wrapper.cpp", "static void check_input_0(\n"},
              {kModel + "a.wrapper_metadata.json", R"({"AOTI_DEVICE_KEY": "cpu"})"}};
  for (const auto& [name, data] : changed) {
    const auto known = std::find_if(files.begin(), files.end(),
                                    [&](const auto& file) { return file.first == name; });
    if (known == files.end()) {
      files.emplace_back(name, data);
    } else if (data == "-") {
      files.erase(known);
    } else {
      known->second = data;
    }
  }
  return files;
}

std::string opened(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = write_file(folder / "m.pt2", bytes);
  return outcome_of([&] { ProgramPackage{path}; });
}

}  // namespace

TEST_CASE("a package gives its models, what they say of themselves, and their files") {
  const TemporaryFolder folder;
  const std::string other = "m/data/aotinductor/other/b.";
  const auto path =
      write_file(folder / "m.pt2",
                 archive_of(package({{other + "wrapper.so", library()},
                                     {other + "wrapper.cpp", "x"},
                                     {other + "wrapper_metadata.json", R"({"author": "me"})"},
                                     {"m/data/constants/custom", "shared"},
                                     {"m/models/other.json", "{}"}})));
  const ProgramPackage opened(path);
  REQUIRE(opened.models().size() == 2);
  CHECK(opened.models()[0].name == "model");
  const PackagedModel& model = opened.model("other");
  CHECK(model.metadata.at("author") == "me");
  CHECK(model.source == "x");
  CHECK(model.exported == "{}");
  CHECK(outcome_of([&] { opened.model("third"); }) == "NOT_FOUND");

  std::filesystem::path unpacked;
  {
    Scratch scratch(folder.path());
    unpacked = scratch.path();
    JobContext context;
    opened.unpack(model, scratch.path(), context);
    const auto files = unpacked / "data" / "aotinductor" / "other";
    CHECK(read_file(files / "b.wrapper.so") == library());
    CHECK(read_file(files / "custom") == "shared");
    CHECK(!std::filesystem::exists(unpacked / "data" / "aotinductor" / "model"));
  }
  CHECK(!std::filesystem::exists(unpacked));
}

TEST_CASE("packages that are none, or hold what cannot be run, are refused") {
  struct Case {
    const char* name;
    Files changed;
    const char* expected;
  };
  for (const Case& one : std::vector<Case>{
           {"whole", {}, "accepted"},
           {"another format", {{"m/archive_format", "pt3"}}, "BAD_CHECKPOINT/NOT_PT2"},
           {"no format", {{"m/archive_format", "-"}}, "BAD_CHECKPOINT/NOT_PT2"},
           {"a later version", {{"m/archive_version", "1"}}, "UNSUPPORTED/ARCHIVE_VERSION"},
           {"two folders", {{"n/more", ""}}, "BAD_CHECKPOINT/NOT_PT2"},
           {"a name that leaves", {{kModel + "../../../../x", ""}}, "BAD_CHECKPOINT/ZIP_PATH"},
           {"a name of Windows", {{"m/data\\x", ""}}, "BAD_CHECKPOINT/ZIP_PATH"},
           {"an absolute name", {{"/m/x", ""}}, "BAD_CHECKPOINT/ZIP_PATH"},
           {"a script for code", {{kModel + "a.wrapper.so", "#!"}}, "BAD_CHECKPOINT/NOT_A_LIBRARY"},
           {"source alone", {{kModel + "a.wrapper.so", "-"}}, "UNSUPPORTED/SOURCE_ONLY"},
           {"no source", {{kModel + "a.wrapper.cpp", "-"}}, "UNSUPPORTED/NO_METADATA"},
           {"no metadata", {{kModel + "a.wrapper_metadata.json", "-"}}, "UNSUPPORTED/NO_METADATA"},
           {"broken metadata",
            {{kModel + "a.wrapper_metadata.json", "{"}},
            "BAD_CHECKPOINT/METADATA"},
           {"numbers for metadata",
            {{kModel + "a.wrapper_metadata.json", R"({"AOTI_DEVICE_KEY": 1})"}},
            "BAD_CHECKPOINT/METADATA"},
           {"pickled weights",
            {{kModel + "weights_config.json", "{}"}},
            "UNSUPPORTED/WEIGHTS_APART"},
       }) {
    CAPTURE(one.name);
    CHECK(opened(archive_of(package(one.changed))) == one.expected);
  }
  CHECK(opened(archive_of({{"m/archive_format", "pt2"}, {"m/models/model.json", "{}"}})) ==
        "UNSUPPORTED/NOT_COMPILED");
  CHECK(opened("") == "BAD_CHECKPOINT/ZIP_NO_DIRECTORY");
  CHECK(opened("no archive at all") == "BAD_CHECKPOINT/ZIP_NO_DIRECTORY");
  CHECK(outcome_of([] { ProgramPackage{"nowhere.pt2"}; }) == "NOT_FOUND/NO_SUCH_FILE");
}

TEST_CASE("damaged bytes are found before they are used") {
  const TemporaryFolder folder;
  std::string bytes = archive_of(package());
  // In the library's code, which is only read when it is unpacked.
  bytes[bytes.find("a.wrapper.so") + 12 + 40] ^= 1;
  const ProgramPackage opened(write_file(folder / "m.pt2", bytes));
  JobContext context;
  CHECK(outcome_of([&] { opened.unpack(opened.models()[0], folder.path(), context); }) ==
        "BAD_CHECKPOINT/ZIP_DATA");
}

TEST_CASE("a program needs trust, and files that libtorch can map") {
  const TemporaryFolder folder;
  const auto path = write_file(folder / "m.pt2", archive_of(package()));
  const auto outcome = [&](Json extra) {
    extra.set("path", path.string());
    JobContext context;
    return outcome_of([&] { load_program(extra, context); });
  };
  CHECK(outcome(Json::Object{}) == "BAD_INPUT/NOT_TRUSTED");
  CHECK(outcome(Json::Object{{"trust", false}}) == "BAD_INPUT/NOT_TRUSTED");
  CHECK(outcome(Json::Object{{"trust", true}, {"runners", 0}}) == "BAD_INPUT");
  CHECK(outcome(Json::Object{{"trust", true}, {"model", "other"}}) == "NOT_FOUND");
  CHECK(outcome(Json::Object{{"trust", true}, {"device", "cuda:1"}}) == "UNSUPPORTED/NO_DEVICE");
  const Json scratch(Json::Object{{"trust", true}, {"scratch", (folder / "absent").string()}});
  CHECK(outcome(scratch) == "BAD_INPUT/NO_SCRATCH");
  // A header alone cannot be mapped.
  CHECK(outcome(Json::Object{{"trust", true}}) == "BAD_CHECKPOINT/NOT_LOADED");
}
