#include "io/npz.h"

#include <set>

#include "io/npy.h"
#include "io/safetensors.h"
#include "tests/files.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

const std::filesystem::path kFolder = test::fixtures() / "npz";

std::string npy_bytes(const std::string& dict, size_t data_bytes, char major = 1) {
  const std::string length = little_endian(dict.size(), major == 1 ? 2 : 4);
  return std::string("\x93NUMPY") + major + '\0' + length + dict + std::string(data_bytes, '\1');
}

std::string npy_dict(const std::string& descr, const std::string& shape,
                     const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

// An archive written by hand, so that each field can be wrong.
struct Entry {
  std::string name = "a.npy";
  std::string data = npy_bytes(npy_dict("<f4", "(1,)"), 4);
  uint16_t flags = 0, method = 0;
  std::string local_name = name;
  uint64_t size = data.size();
  uint64_t local_shift = 0;
};

std::string zip_bytes(const std::vector<Entry>& entries, int count_shift = 0,
                      const std::string& comment = "", uint64_t directory_shift = 0) {
  std::string bytes, directory;
  for (const Entry& entry : entries) {
    const uint64_t offset = bytes.size() + entry.local_shift;
    const std::string sizes =
        little_endian(0, 4) + little_endian(entry.data.size(), 4) + little_endian(entry.size, 4);
    const std::string common = little_endian(20, 2) + little_endian(entry.flags, 2) +
                               little_endian(entry.method, 2) + little_endian(0, 4) + sizes;
    bytes += "PK\3\4" + common + little_endian(entry.local_name.size(), 2) + little_endian(0, 2) +
             entry.local_name + entry.data;
    directory += "PK\1\2" + little_endian(20, 2) + common + little_endian(entry.name.size(), 2) +
                 little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(0, 4) + little_endian(offset, 4) + entry.name;
  }
  const std::string count = little_endian(entries.size() + count_shift, 2);
  return bytes + directory + "PK\5\6" + little_endian(0, 4) + count + count +
         little_endian(directory.size(), 4) + little_endian(bytes.size() + directory_shift, 4) +
         little_endian(comment.size(), 2) + comment;
}

std::string opened(const std::string& name, const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = write_file(folder / name, bytes);
  return outcome_of([&] {
    const auto file = open_tensor_file(path);
    for (const TensorInfo& info : file->tensors()) file->load(info);
  });
}

}  // namespace

TEST_CASE("arrays come out as NumPy wrote them") {
  const auto expected = open_tensor_file(kFolder / "expected.safetensors");
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    CAPTURE(name);
    const auto file = open_tensor_file(kFolder / name);
    CHECK(file->tensors().size() == expected->tensors().size());
    for (const TensorInfo& info : expected->tensors()) {
      CAPTURE(info.name);
      REQUIRE(file->find(info.name));
      const at::Tensor wanted = expected->load(info);
      const TensorInfo& found = *file->find(info.name);
      CHECK(file->load(found).to(wanted.scalar_type()).equal(wanted));
      for (size_t dim = 0; dim < info.shape.size() && wanted.numel() > 1; ++dim) {
        const Box box = Box::whole(info.shape).part(dim, info.shape[dim] / 2, 1);
        CHECK(file->load(found, box)
                  .to(wanted.scalar_type())
                  .equal(wanted.narrow(static_cast<int64_t>(dim), info.shape[dim] / 2, 1)));
      }
    }
    CHECK((file->load(*file->find("bfloat16")).scalar_type() == at::kBFloat16));
  }
  const auto single = open_tensor_file(kFolder / "single.npy");
  CHECK(single->load(*single->find("single"))
            .equal(expected->load(*expected->find("Transformer/kernel"))));
  const auto second = open_tensor_file(kFolder / "version2.npy");
  CHECK(second->load(*second->find("version2")).equal(expected->load(*expected->find("int"))));
}

TEST_CASE("bad npy files are refused, each for its reason") {
  const std::string good = npy_dict("<f4", "(1,)");
  struct Case {
    const char* name;
    std::string bytes;
    const char* reason;
  };
  std::string high_rank = "(1";
  for (int i = 0; i < 64; ++i) high_rank += ",1";
  for (const Case& one : std::vector<Case>{
           {"empty", "", "NPY_MAGIC"},
           {"another magic", "\x93NUMPX" + std::string(20, ' '), "NPY_MAGIC"},
           {"version 0", npy_bytes(good, 4, 0), "NPY_VERSION"},
           {"version 4", npy_bytes(good, 4, 4), "NPY_VERSION"},
           {"cut header", npy_bytes(good, 0).substr(0, 30), "NPY_HEADER"},
           {"huge header", "\x93NUMPY" + std::string("\2\0\xff\xff\xff\xff", 6),
            "NPY_HEADER_TOO_LARGE"},
           {"no dict", npy_bytes("[]", 4), "NPY_HEADER"},
           {"code", npy_bytes("__import__('os')", 4), "NPY_HEADER"},
           {"text behind", npy_bytes(good + "1", 4), "NPY_HEADER"},
           {"no shape", npy_bytes("{'descr':'<f4','fortran_order':False}", 4), "NPY_HEADER"},
           {"unknown key", npy_bytes("{'descr':'<f4','x':1}", 4), "NPY_HEADER"},
           {"key twice", npy_bytes("{'descr':'<f4','descr':'<f4'}", 4), "DUPLICATE_KEY"},
           {"objects", npy_bytes(npy_dict("|O", "(1,)"), 4), "NPY_DTYPE"},
           {"big-endian", npy_bytes(npy_dict(">f4", "(1,)"), 4), "NPY_DTYPE"},
           {"text", npy_bytes(npy_dict("<U4", "(1,)"), 16), "NPY_DTYPE"},
           {"structure", npy_bytes("{'descr':[('x','<f4')],'fortran_order':False,'shape':(1,)}", 4),
            "NPY_DTYPE"},
           {"negative size", npy_bytes(npy_dict("<f4", "(-1,)"), 4), "NPY_HEADER"},
           {"size above int64", npy_bytes(npy_dict("<f4", "(9223372036854775808,)"), 4),
            "NPY_HEADER"},
           {"shape is a number", npy_bytes(npy_dict("<f4", "1"), 4), "NPY_HEADER"},
           {"rank 65", npy_bytes(npy_dict("<f4", high_rank + ")"), 4), "RANK_TOO_LARGE"},
           {"product wraps", npy_bytes(npy_dict("<f4", "(4294967296, 4294967296)"), 0), "OVERFLOW"},
           {"data short", npy_bytes(good, 3), "SIZE_MISMATCH"},
           {"data long", npy_bytes(good, 5), "SIZE_MISMATCH"},
       }) {
    CAPTURE(one.name);
    CHECK(opened("a.npy", one.bytes) == std::string("BAD_CHECKPOINT/") + one.reason);
  }
  CHECK(opened("a.npy", npy_bytes(good, 4)) == "accepted");
  CHECK(opened("a.npy", npy_bytes(npy_dict("<u4", "(1L,)"), 4)) == "UNSUPPORTED/FILE_DTYPE");
}

TEST_CASE("bad archives are refused, each for its reason") {
  Entry good, encrypted, method, local, size, shifted, huge, other;
  encrypted.flags = 1;
  method.method = 12;
  local.local_name = "b.npy";
  size.size += 1;
  shifted.local_shift = 1;
  huge.method = 8;
  huge.size = 1 << 30;
  other.name = other.local_name = "b.npy";
  Entry garbage = other;
  garbage.method = 8;
  Entry overlapping = good;
  overlapping.local_shift = static_cast<uint64_t>(-static_cast<int64_t>(35 + good.data.size()));
  const std::string fine = zip_bytes({good});
  const std::vector<std::pair<std::string, const char*>> cases{
      {"", "ZIP_NO_DIRECTORY"},
      {"PK", "ZIP_NO_DIRECTORY"},
      {fine.substr(0, fine.size() - 1), "ZIP_NO_DIRECTORY"},
      {fine + "x", "ZIP_NO_DIRECTORY"},
      {zip_bytes({good}, 1), "ZIP_DIRECTORY"},
      {zip_bytes({good}, 0, "", 1), "ZIP_DIRECTORY"},
      {zip_bytes({good}, 0, "", 4000000000), "ZIP_TRUNCATED"},
      {zip_bytes({good, good}), "DUPLICATE_KEY"},
      {zip_bytes({encrypted}), "ZIP_ENCRYPTED"},
      {zip_bytes({method}), "ZIP_METHOD"},
      {zip_bytes({local}), "ZIP_ENTRY_MISMATCH"},
      {zip_bytes({shifted}), "ZIP_ENTRY_MISMATCH"},
      {zip_bytes({size}), "ZIP_SIZE"},
      {zip_bytes({huge}), "ZIP_SIZE"},
      {zip_bytes({good, overlapping}), "ZIP_OVERLAP"},
  };
  for (const auto& [bytes, reason] : cases) {
    CAPTURE(reason);
    CHECK(opened("a.npz", bytes) == std::string("BAD_CHECKPOINT/") + reason);
  }
  CHECK(opened("a.npz", fine) == "accepted");
  CHECK(opened("a.npz", zip_bytes({good, other}, 0, "a comment")) == "accepted");
  const std::string outcome = opened("a.npz", zip_bytes({garbage}));
  CHECK((outcome == "BAD_CHECKPOINT/ZIP_DATA" || outcome == "UNSUPPORTED/NO_ZLIB"));
}

TEST_CASE("damage to packed data is noticed") {
  std::string bytes = read_file(kFolder / "deflated.npz");
  CHECK(opened("a.npz", bytes) == "accepted");
  // The first entry's data begins behind its header, name and extra field.
  const size_t start =
      30 + static_cast<unsigned char>(bytes[26]) + static_cast<unsigned char>(bytes[28]);
  size_t noticed = 0;
  for (size_t at = start; at < start + 200; at += 5) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    noticed += opened("a.npz", damaged) != "accepted";
  }
  CHECK(noticed == 40);
}
