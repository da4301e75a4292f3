// Manifests of checkpoints that ranks have written: what is refused, and what is seen.
#include "io/shard_manifest.h"

#include <set>

#include "io/checkpoint.h"
#include "tests/files.h"

using namespace torchsight;
using namespace torchsight::tests;
namespace fs = std::filesystem;

namespace {

const std::string kFirst = rank_file_name(0, 2, "0123456789abcdef");
const std::string kSecond = rank_file_name(1, 2, "0123456789abcdef");

// Two ranks: "w" [4, 3] cut into rows 0 to 2 and 3, "b" [2] whole.
ShardManifest write_shards(const fs::path& folder, const std::string& mark = "0123456789abcdef") {
  const at::Tensor w = at::arange(12, at::kFloat).view({4, 3});
  const Metadata metadata{{"format", "pt"}, {"torchsight_save", mark}};
  write_safetensors(folder / kFirst,
                    {{"w", w.narrow(0, 0, 3)}, {"b", at::ones({2}, at::kBFloat16)}}, metadata);
  write_safetensors(folder / kSecond, {{"w", w.narrow(0, 3, 1)}}, metadata);
  ShardManifest manifest;
  manifest.ranks = 2;
  manifest.layout = "tokens";
  manifest.dtype = "float32";
  manifest.config = Json::Object{{"model_type", "none"}};
  for (const std::string& name : {kFirst, kSecond}) {
    const SafetensorsFile file(InputFile(folder / name));
    manifest.files.push_back({name, file.file().size(), file.header_digest()});
  }
  manifest.tensors = {{"w", "F32", {4, 3}, 0, {{0, 0, 3}, {1, 3, 1}}},
                      {"b", "BF16", {2}, std::nullopt, {{0}}}};
  return manifest;
}

std::string opened(const fs::path& path) {
  return outcome_of([&] { Checkpoint::open(path); });
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("bad manifests are refused, each for its reason") {
  const TemporaryFolder folder;
  const std::string good = write_shards(folder.path()).to_json().dump();
  const auto changed = [&](const std::string& from, const std::string& to) {
    return replaced(good, from, to);
  };
  const std::string pieces = R"([{"file":0,"begin":0,"length":3},{"file":1,"begin":3,"length":1}])";
  const auto with_pieces = [&](const std::string& others) { return changed(pieces, others); };
  const auto with_file = [&](const std::string& name) { return changed(kFirst, name); };
  struct Case {
    const char* name;
    std::string text;
    const char* reason;
  };
  const std::vector<Case> cases{
      {"empty", "", "MANIFEST_MALFORMED"},
      {"cut short", good.substr(0, good.size() - 9), "MANIFEST_MALFORMED"},
      {"key twice", changed("{", "{\"ranks\":2,"), "DUPLICATE_KEY"},
      {"an array", "[]", "NOT_A_MANIFEST"},
      {"another format", changed("torchsight-shards", "shards"), "NOT_A_MANIFEST"},
      {"a later version", changed("\"version\":1", "\"version\":2"), "MANIFEST_VERSION"},
      {"no version", changed("\"version\":1,", ""), "MANIFEST_FIELD"},
      {"no ranks", changed("\"ranks\":2", "\"ranks\":0"), "MANIFEST_FIELD"},
      {"layout as a number", changed("\"tokens\"", "1"), "MANIFEST_FIELD"},
      {"no files", changed("\"files\":[", "\"files\":{},\"f\":["), "MANIFEST_FIELD"},
      {"a size below 0", changed("\"bytes\":", "\"bytes\":-"), "MANIFEST_FIELD"},
      {"a file twice", changed(kSecond, kFirst), "FILE_TWICE"},
      {"a tensor twice", changed("\"name\":\"b\"", "\"name\":\"w\""), "TENSOR_TWICE"},
      {"no tensors", changed("\"tensors\":[", "\"tensors\":[],\"t\":["), "MANIFEST_EMPTY"},
      {"an unknown dtype", changed("\"BF16\"", "\"bfloat16\""), "UNKNOWN_DTYPE"},
      {"a size below 0 in a shape", changed("[4,3]", "[4,-3]"), "MANIFEST_SHAPE"},
      {"a shape that overflows", changed("[4,3]", "[4,4611686018427387904]"), "MANIFEST_SHAPE"},
      {"a cut beyond the dimensions", changed("\"cut\":0", "\"cut\":2"), "MANIFEST_FIELD"},
      {"a file beyond the list", changed("\"file\":1", "\"file\":2"), "MANIFEST_FIELD"},
      {"no pieces", with_pieces("[]"), "PIECES_HOLE"},
      {"pieces that overlap",
       with_pieces(R"([{"file":0,"begin":0,"length":3},{"file":1,"begin":2,"length":2}])"),
       "PIECES_OVERLAP"},
      {"pieces out of order",
       with_pieces(R"([{"file":1,"begin":3,"length":1},{"file":0,"begin":0,"length":3}])"),
       "PIECES_HOLE"},
      {"a hole between pieces",
       with_pieces(R"([{"file":0,"begin":0,"length":2},{"file":1,"begin":3,"length":1}])"),
       "PIECES_HOLE"},
      {"a hole at the end", with_pieces(R"([{"file":0,"begin":0,"length":3}])"), "PIECES_HOLE"},
      {"a piece beyond the end",
       with_pieces(R"([{"file":0,"begin":0,"length":3},{"file":1,"begin":3,"length":2}])"),
       "PIECE_OUTSIDE"},
      {"a piece of less than nothing",
       with_pieces(R"([{"file":0,"begin":0,"length":-3},{"file":1,"begin":0,"length":4}])"),
       "PIECE_OUTSIDE"},
      {"pieces in one file",
       with_pieces(R"([{"file":0,"begin":0,"length":3},{"file":0,"begin":3,"length":1}])"),
       "PIECES_IN_ONE_FILE"},
      {"pieces of other sizes than the files'",
       with_pieces(R"([{"file":0,"begin":0,"length":2},{"file":1,"begin":2,"length":2}])"),
       "PIECE_SHAPE"},
      {"another dtype than the file's", changed("\"BF16\"", "\"F16\""), "PIECE_SHAPE"},
      {"a tensor that its file lacks", changed("\"name\":\"b\"", "\"name\":\"c\""),
       "TENSOR_NOT_IN_SHARD"},
      {"a tensor that the manifest lacks",
       changed(R"(,{"name":"b","dtype":"BF16","shape":[2],"file":0})", ""), "TENSOR_NOT_IN_INDEX"},
      {"no name", with_file(""), "PATH_EMPTY"},
      {"absolute", with_file("/etc/passwd"), "PATH_ABSOLUTE"},
      {"parent", with_file("../x.safetensors"), "PATH_PARENT"},
      {"folder", with_file("sub/x.safetensors"), "PATH_FOLDER"},
      {"backslash", with_file("..\\\\x.safetensors"), "PATH_BACKSLASH"},
      {"drive", with_file("C:x.safetensors"), "PATH_DRIVE"},
      {"line break", with_file("x\\n.safetensors"), "PATH_CONTROL"},
      {"no such file", with_file("none.safetensors"), "MISSING_SHARD"},
  };
  std::set<std::string> reasons;
  for (const Case& one : cases) {
    CAPTURE(one.name);
    write_file(folder / kManifestName, one.text);
    CHECK(opened(folder.path()) == std::string("BAD_CHECKPOINT/") + one.reason);
    reasons.insert(one.reason);
  }
  CHECK(reasons.size() == 25);
  write_file(folder / kManifestName, good + std::string(kMaxIndex, ' '));
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/INDEX_TOO_LARGE");
  write_file(folder / kManifestName, good);
  CHECK(opened(folder.path()) == "accepted");
  CHECK(parse_manifest(good, "again").to_json().dump() == good);
}

TEST_CASE("shards that are not the save's own are refused") {
  const TemporaryFolder folder, other;
  write_file(folder / kManifestName, write_shards(folder.path()).to_json().dump());
  CHECK(opened(folder.path()) == "accepted");
  // The same names, dtypes and shapes, but for the mark.
  write_shards(other.path(), "fedcba9876543210");
  const std::string mine = read_file(folder / kSecond);
  REQUIRE(fs::file_size(other / kSecond) == mine.size());
  write_file(folder / kSecond, read_file(other / kSecond));
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/SHARD_OF_OTHER_SAVE");
  write_file(folder / kSecond, mine.substr(0, mine.size() - 4));
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/SHARD_SIZE");
  fs::remove(folder / kSecond);
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/MISSING_SHARD");
  fs::create_symlink(other / kSecond, folder / kSecond);
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/SYMLINK");
  fs::remove(folder / kSecond);
  write_file(folder / kSecond, mine);
  CHECK(opened(folder / kManifestName) == "accepted");
}

TEST_CASE("a manifest is inspected as its full tensors, before any other form of the folder") {
  const TemporaryFolder folder;
  write_file(folder / kManifestName, write_shards(folder.path()).to_json().dump());
  write_safetensors(folder / kSingleName, {{"other", at::ones({1})}});
  const Json seen = Checkpoint::open(folder.path()).inspect();
  const std::string first = (folder / kFirst).string(), second = (folder / kSecond).string();
  CHECK(seen.at("files").dump() == Json(Json::Array{first, second}).dump());
  CHECK(seen.at("parameters").as_int() == 14);
  CHECK(seen.at("config").dump() == R"({"model_type":"none"})");
  CHECK(seen.at("metadata").dump() == R"({"ranks":2,"layout":"tokens","dtype":"float32"})");
  const Json::Array& tensors = seen.at("tensors").as_array();
  REQUIRE(tensors.size() == 2);
  CHECK(tensors[0].at("shape").dump() == "[4,3]");
  CHECK(tensors[0].at("bytes").as_int() == 48);
  CHECK(tensors[0].at("file").as_string() == (folder / kManifestName).string());
  CHECK(tensors[0].at("cut").as_int() == 0);
  CHECK(tensors[0].at("pieces").as_array()[1].dump() ==
        Json(Json::Object{{"file", second}, {"begin", 3}, {"length", 1}}).dump());
  CHECK(tensors[1].at("dtype").as_string() == "bfloat16");
  CHECK(tensors[1].at("file").as_string() == first);
  CHECK_FALSE(tensors[1].find("pieces"));
}
