#include "io/checkpoint.h"

#include <set>

#include "tests/files.h"

using namespace torchsight;
using namespace torchsight::tests;
namespace fs = std::filesystem;

namespace {

const char* const kFirst = "model-00001-of-00002.safetensors";
const char* const kSecond = "model-00002-of-00002.safetensors";

void write_shards(const fs::path& folder) {
  write_safetensors(folder / kFirst, {{"a", at::ones({2, 3})}});
  write_safetensors(folder / kSecond, {{"b", at::zeros({4})}, {"c", at::ones({1})}});
}

std::string index_of(const std::string& map, const std::string& metadata = "\"total_size\":44") {
  return "{\"metadata\":{" + metadata + "},\"weight_map\":{" + map + "}}";
}

std::string pair_of(const std::string& tensor, const std::string& file) {
  return "\"" + tensor + "\":\"" + file + "\"";
}

const std::string kMap =
    pair_of("a", kFirst) + "," + pair_of("b", kSecond) + "," + pair_of("c", kSecond);

std::string opened(const fs::path& path, const OpenPolicy& policy = {}) {
  return outcome_of([&] { Checkpoint::open(path, policy); });
}

// The same map with another value for tensor "a".
std::string with_file(const std::string& file) {
  return index_of(pair_of("a", file) + "," + pair_of("b", kSecond) + "," + pair_of("c", kSecond));
}

}  // namespace

TEST_CASE("bad indexes are refused, each for its reason") {
  const TemporaryFolder folder;
  write_shards(folder.path());
  write_safetensors(folder / "other.safetensors", {{"a", at::ones({2, 3})}});
  struct Case {
    const char* name;
    std::string text;
    const char* reason;
  };
  const std::vector<Case> cases{
      {"empty", "", "INDEX_MALFORMED"},
      {"not JSON", "{weight_map}", "INDEX_MALFORMED"},
      {"cut short", index_of(kMap).substr(0, 60), "INDEX_MALFORMED"},
      {"not UTF-8", "{\"\xff\":1}", "INDEX_MALFORMED"},
      {"too deep", std::string(100, '[') + std::string(100, ']'), "TOO_DEEP"},
      {"tensor twice", index_of(kMap + "," + pair_of("a", kSecond)), "DUPLICATE_KEY"},
      {"weight_map twice", "{\"weight_map\":{" + kMap + "},\"weight_map\":{}}", "DUPLICATE_KEY"},
      {"an array", "[]", "INDEX_NOT_AN_OBJECT"},
      {"no weight_map", "{\"metadata\":{}}", "NO_WEIGHT_MAP"},
      {"weight_map is an array", "{\"weight_map\":[]}", "WEIGHT_MAP_TYPE"},
      {"weight_map is null", "{\"weight_map\":null}", "WEIGHT_MAP_TYPE"},
      {"empty weight_map", index_of(""), "WEIGHT_MAP_EMPTY"},
      {"number as file", index_of("\"a\":1"), "WEIGHT_MAP_VALUE"},
      {"list as file", index_of("\"a\":[\"x\"]"), "WEIGHT_MAP_VALUE"},
      {"metadata is a list", "{\"metadata\":[],\"weight_map\":{" + kMap + "}}", "INDEX_METADATA"},
      {"total_size is text", index_of(kMap, "\"total_size\":\"44\""), "TOTAL_SIZE_TYPE"},
      {"total_size is negative", index_of(kMap, "\"total_size\":-44"), "TOTAL_SIZE_TYPE"},
      {"total_size is a fraction", index_of(kMap, "\"total_size\":44.5"), "TOTAL_SIZE_TYPE"},
      {"total_size too small", index_of(kMap, "\"total_size\":43"), "TOTAL_SIZE"},
      {"total_size too large", index_of(kMap, "\"total_size\":9007199254740993"), "TOTAL_SIZE"},
      {"no name", with_file(""), "PATH_EMPTY"},
      {"NUL", with_file("x\\u0000.safetensors"), "PATH_NUL"},
      {"absolute", with_file("/etc/passwd"), "PATH_ABSOLUTE"},
      {"parent", with_file("../model.safetensors"), "PATH_PARENT"},
      {"parent alone", with_file(".."), "PATH_PARENT"},
      {"parent inside", with_file("sub/../x.safetensors"), "PATH_PARENT"},
      {"folder", with_file("sub/x.safetensors"), "PATH_FOLDER"},
      {"this folder", with_file("./x.safetensors"), "PATH_FOLDER"},
      {"backslash", with_file("..\\\\x.safetensors"), "PATH_BACKSLASH"},
      {"drive", with_file("C:x.safetensors"), "PATH_DRIVE"},
      {"network share", with_file("\\\\\\\\host\\\\x"), "PATH_BACKSLASH"},
      {"stream of a file", with_file("x.safetensors:s"), "PATH_DRIVE"},
      {"line break", with_file("x\\n.safetensors"), "PATH_CONTROL"},
      {"too long", with_file(std::string(256, 'x')), "PATH_TOO_LONG"},
      {"no such shard", with_file("none.safetensors"), "MISSING_SHARD"},
      {"tensor not in its shard", index_of(kMap + "," + pair_of("d", kFirst)),
       "TENSOR_NOT_IN_SHARD"},
      {"tensor given to the other shard", with_file(kSecond), "TENSOR_NOT_IN_SHARD"},
      {"tensor in two shards",
       with_file("other.safetensors")
           .insert(with_file("other.safetensors").size() - 2, "," + pair_of("x", kFirst)),
       "TENSOR_NOT_IN_SHARD"},
      {"tensor without an entry",
       index_of(pair_of("a", kFirst) + "," + pair_of("b", kSecond), "\"total_size\":40"),
       "TENSOR_NOT_IN_INDEX"},
  };
  CHECK(cases.size() >= 20);
  std::set<std::string> reasons;
  for (const Case& one : cases) {
    CAPTURE(one.name);
    write_file(folder / kIndexName, one.text);
    CHECK(opened(folder.path()) == std::string("BAD_CHECKPOINT/") + one.reason);
    reasons.insert(one.reason);
  }
  CHECK(reasons.size() == 23);
  write_file(folder / kIndexName, index_of(kMap) + std::string(kMaxIndex, ' '));
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/INDEX_TOO_LARGE");
  write_file(folder / kIndexName, index_of(kMap));
  CHECK(opened(folder.path()) == "accepted");
}

TEST_CASE("a tensor may lie in one shard only") {
  const TemporaryFolder folder;
  write_safetensors(folder / kFirst, {{"a", at::ones({2, 3})}});
  write_safetensors(folder / kSecond, {{"a", at::ones({2, 3})}, {"b", at::ones({1})}});
  write_file(folder / kIndexName, index_of(pair_of("a", kFirst) + "," + pair_of("b", kSecond), ""));
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/TENSOR_IN_OTHER_SHARD");
}

TEST_CASE("a shard that is a bad file keeps its own reason") {
  const TemporaryFolder folder;
  write_shards(folder.path());
  write_file(folder / kIndexName, index_of(kMap));
  write_file(folder / kFirst, "short");
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/HEADER_TOO_SMALL");
  fs::remove(folder / kFirst);
  fs::create_directory(folder / kFirst);
  CHECK(opened(folder.path()) == "BAD_CHECKPOINT/NOT_A_FILE");
}

#ifndef _WIN32
TEST_CASE("links out of the folder are refused, links of the hub's cache followed") {
  const TemporaryFolder root;
  const fs::path folder = root / "model", outside = root / "outside";
  fs::create_directories(folder);
  fs::create_directories(outside);
  write_shards(folder);
  write_shards(outside);
  write_file(folder / kIndexName, index_of(kMap));
  const auto relink = [&](const fs::path& link, const fs::path& target) {
    fs::remove(link);
    fs::create_symlink(target, link);
  };
  relink(folder / kFirst, outside / kFirst);
  CHECK(opened(folder) == "BAD_CHECKPOINT/SYMLINK");
  relink(folder / kFirst, "../outside/model-00001-of-00002.safetensors");
  CHECK(opened(folder) == "BAD_CHECKPOINT/SYMLINK");
  relink(folder / kFirst, kSecond);
  CHECK(opened(folder) == "BAD_CHECKPOINT/SYMLINK");
  relink(folder / kFirst, kFirst);  // a loop
  CHECK(opened(folder) == "BAD_CHECKPOINT/SYMLINK");

  // A folder that is itself a link is the caller's own choice; a folder inside is not reachable.
  fs::remove(folder / kFirst);
  write_shards(folder);
  fs::create_directory_symlink(outside, folder / "linked");
  CHECK(opened(folder) == "accepted");
  write_file(folder / kIndexName, with_file("linked/x.safetensors"));
  CHECK(opened(folder) == "BAD_CHECKPOINT/PATH_FOLDER");

  // The hub's cache: snapshots/REVISION/FILE is a link to blobs/HASH of the same model.
  const fs::path model = root / "models--org--name", revision = model / "snapshots" / "abc";
  fs::create_directories(revision);
  fs::create_directories(model / "blobs");
  write_shards(outside);
  for (const char* name : {kFirst, kSecond}) {
    fs::copy_file(outside / name, model / "blobs" / name);
    relink(revision / name, fs::path("../../blobs") / name);
  }
  write_file(model / "blobs" / "index", index_of(kMap));
  relink(revision / kIndexName, "../../blobs/index");
  CHECK(opened(revision) == "accepted");
  relink(revision / kFirst, outside / kFirst);
  CHECK(opened(revision) == "BAD_CHECKPOINT/SYMLINK");
  const fs::path other = root / "models--org--other" / "blobs";
  fs::create_directories(other);
  fs::copy_file(outside / kFirst, other / kFirst);
  relink(revision / kFirst, other / kFirst);
  CHECK(opened(revision) == "BAD_CHECKPOINT/SYMLINK");
}

TEST_CASE("hard links are refused where the policy says so") {
  const TemporaryFolder folder;
  write_shards(folder.path());
  write_file(folder / kIndexName, index_of(kMap));
  fs::create_hard_link(folder / kFirst, folder / "second name");
  CHECK(opened(folder.path()) == "accepted");
  CHECK(opened(folder.path(), {.refuse_hard_links = true}) == "BAD_CHECKPOINT/HARD_LINK");
}

TEST_CASE("a shard swapped after the check is not what is read") {
  const TemporaryFolder folder;
  write_shards(folder.path());
  write_file(folder / kIndexName, index_of(kMap));
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  write_safetensors(folder / kFirst, {{"a", at::full({2, 3}, 666)}});
  const TensorFile& first = *checkpoint.files()[0];
  CHECK(first.load(*first.find("a")).equal(at::ones({2, 3})));
}
#endif

TEST_CASE("checkpoints are saved whole or in shards and inspected") {
  const TemporaryFolder folder;
  std::vector<TensorOutline> outlines;
  for (int i = 0; i < 5; ++i) outlines.push_back({"t" + std::to_string(i), at::kFloat, {10, 10}});
  const auto value = [](const TensorOutline& outline) {
    return at::full(outline.shape, outline.name[1] - '0', at::kFloat);
  };
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      found.insert(entry.path().filename().string());
    }
    return found;
  };
  write_file(folder / "config.json", "{}");
  write_checkpoint(folder.path(), outlines, 1000, value);
  CHECK(names() == std::set<std::string>{
                       "config.json", kIndexName, "model-00001-of-00003.safetensors",
                       "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"});
  const Json index = Json::parse(read_file(folder / kIndexName));
  CHECK(index.at("metadata").at("total_size").as_int() == 2000);
  CHECK(index.at("weight_map").at("t2").as_string() == "model-00002-of-00003.safetensors");
  Checkpoint checkpoint = Checkpoint::open(folder.path());
  CHECK(checkpoint.files().size() == 3);
  const Json seen = checkpoint.inspect();
  CHECK(seen.at("parameters").as_int() == 500);
  CHECK(seen.at("tensors").as_array().size() == 5);
  const Json& first = seen.at("tensors").as_array()[0];
  CHECK(first.at("dtype").as_string() == "float32");
  CHECK(first.at("bytes").as_int() == 400);
  CHECK(first.at("shape").dump() == "[10,10]");
  CHECK(first.at("file").as_string() == seen.at("files").as_array()[0].as_string());
  CHECK(seen.at("metadata").at("total_size").as_int() == 2000);

  // A tensor larger than the limit has a shard of its own.
  write_checkpoint(folder.path(), outlines, 10, value);
  CHECK(Checkpoint::open(folder / kIndexName).files().size() == 5);

  // One file takes the place of the shards and of their index.
  write_checkpoint(folder.path(), outlines, 0, value, {{"format", "pt"}});
  CHECK(names() == std::set<std::string>{"config.json", kSingleName});
  const Checkpoint single = Checkpoint::open(folder.path());
  const TensorFile& file = *single.files()[0];
  CHECK(file.load(*file.find("t3")).equal(at::full({10, 10}, 3.0)));
  CHECK(single.inspect().at("metadata").dump() == R"({"format":"pt"})");

  const TemporaryFolder empty;
  CHECK(opened(empty.path()) == "BAD_CHECKPOINT/NO_WEIGHTS");
  CHECK(opened(empty / "none") == "NOT_FOUND/NO_SUCH_FILE");
}
