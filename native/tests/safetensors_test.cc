#include "io/safetensors.h"

#include <thread>

#include "io/checkpoint.h"
#include "tests/files.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

at::Tensor counted(at::IntArrayRef shape, at::ScalarType dtype = at::kFloat) {
  return at::arange(c10::multiply_integers(shape), at::kFloat).view(shape).to(dtype);
}

SafetensorsFile open_file(const std::filesystem::path& path) {
  return SafetensorsFile(InputFile(path));
}

}  // namespace

TEST_CASE("every dtype goes out and comes back bit for bit") {
  const TemporaryFolder folder;
  NamedTensors tensors;
  for (const at::ScalarType dtype :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kChar, at::kByte, at::kShort,
        at::kInt, at::kLong, at::kBool, at::kComplexFloat}) {
    tensors.emplace_back(c10::toString(dtype), counted({3, 5}, dtype));
  }
  tensors.emplace_back("scalar", at::scalar_tensor(7.0));
  tensors.emplace_back("empty", at::zeros({0, 3}));
  tensors.emplace_back("strided", counted({4, 6}).t());
  tensors.emplace_back("name \" \\ \n \x7f \u00e9", at::ones({1}));
  write_safetensors(folder / "all.safetensors", tensors, {{"format", "pt"}});
  const auto file = open_file(folder / "all.safetensors");
  CHECK(file.tensors().size() == tensors.size());
  CHECK(file.metadata().dump() == R"({"format":"pt"})");
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    REQUIRE(file.find(name));
    const at::Tensor read = file.load(*file.find(name));
    CHECK((read.scalar_type() == tensor.scalar_type()));
    CHECK(read.equal(tensor));
  }
  CHECK(file.find("none") == nullptr);
}

TEST_CASE("files are those of the reference implementation, byte for byte") {
  const TemporaryFolder folder;
  const auto reference = test::fixtures() / "safetensors" / "written";
  const auto file = open_file(reference / "mixed.safetensors");
  NamedTensors tensors;
  for (const TensorInfo& info : file.tensors()) tensors.emplace_back(info.name, file.load(info));
  CHECK(tensors.size() == 9);
  const Metadata metadata{{"format", "pt"}};
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(folder / "again.safetensors", tensors, metadata);
  CHECK(read_file(folder / "again.safetensors") == read_file(reference / "mixed.safetensors"));
  write_safetensors(folder / "empty.safetensors", {});
  CHECK(read_file(folder / "empty.safetensors") == read_file(reference / "empty.safetensors"));
}

TEST_CASE("names that could not be read back are not written") {
  const TemporaryFolder folder;
  const auto path = folder / "bad.safetensors";
  const at::Tensor one = at::ones({1});
  CHECK(outcome_of([&] { write_safetensors(path, {{"__metadata__", one}}); }) == "BAD_INPUT");
  CHECK(outcome_of([&] { write_safetensors(path, {{"a", one}, {"a", one}}); }) == "BAD_INPUT");
  CHECK(outcome_of([&] {
          write_safetensors(path, {{"a", one.to(at::kComplexDouble)}});
        }) == "UNSUPPORTED");
  CHECK(outcome_of([&] { write_safetensors(folder / "no" / "such.safetensors", {}); }) ==
        "NOT_FOUND/NO_SUCH_FILE");
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a file that was not finished leaves nothing behind") {
  const TemporaryFolder folder;
  const auto path = write_file(folder / "kept.safetensors", "before");
  {
    SafetensorsWriter writer(path, {{"a", at::kFloat, {2}}, {"b", at::kFloat, {2}}});
    writer.write("b", at::ones({2}));
    CHECK(outcome_of([&] { writer.write("b", at::ones({2})); }) == "INTERNAL");
    CHECK(outcome_of([&] { writer.write("a", at::ones({3})); }) == "INTERNAL");
    CHECK(outcome_of([&] { writer.finish(); }) == "INTERNAL");
  }
  CHECK(read_file(path) == "before");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("parts are read along every dimension, by runs and by windows") {
  const TemporaryFolder folder;
  const std::vector<std::vector<int64_t>> shapes{{7},       {5, 9},      {4, 6, 8},   {3, 4, 5, 6},
                                                 {3, 2000}, {300, 3, 5}, {2, 5000, 3}};
  NamedTensors tensors;
  for (const auto& shape : shapes) {
    tensors.emplace_back(std::to_string(tensors.size()), counted(shape));
  }
  write_safetensors(folder / "parts.safetensors", tensors);
  const auto file = open_file(folder / "parts.safetensors");
  for (const auto& [name, tensor] : tensors) {
    const TensorInfo& info = *file.find(name);
    for (int64_t dim = 0; dim < tensor.dim(); ++dim) {
      for (const auto& [begin, length] :
           {std::pair<int64_t, int64_t>{0, 1}, {1, tensor.size(dim) - 1}, {1, 1}, {0, 0}}) {
        CAPTURE(name);
        CAPTURE(dim);
        const Box box = Box::whole(info.shape).part(dim, begin, length);
        const at::Tensor expected = tensor.narrow(dim, begin, length);
        CHECK(file.load(info, box).equal(expected));
        // Into every second column of a wider matrix, and into a wider dtype.
        const at::Tensor wide = at::full(expected.sizes(), -1, at::kDouble);
        file.read(info, box, wide);
        CHECK(wide.equal(expected.to(at::kDouble)));
        at::Tensor view = at::full({expected.numel(), 2}, -1.0).select(1, 1).view(expected.sizes());
        file.read(info, box, view);
        CHECK(view.equal(expected));
      }
    }
  }
  const TensorInfo& cube = *file.find("2");
  const Box corner = Box::whole(cube.shape).part(0, 1, 2).part(1, 2, 3).part(2, 3, 4);
  CHECK(file.load(cube, corner)
            .equal(tensors[2].second.narrow(0, 1, 2).narrow(1, 2, 3).narrow(2, 3, 4)));
}

TEST_CASE("large tensors are read by two threads and through staging") {
  const TemporaryFolder folder;
  const at::Tensor large = counted({3, 1500, 1000});
  write_safetensors(folder / "large.safetensors", {{"a", large}, {"flags", large.gt(5)}});
  const auto file = open_file(folder / "large.safetensors");
  const TensorInfo& info = *file.find("a");
  CHECK(file.load(info).equal(large));
  const Box whole = Box::whole(info.shape);
  CHECK(file.load(info, whole.part(1, 100, 1300)).equal(large.narrow(1, 100, 1300)));
  const at::Tensor half = at::empty({3, 1500, 1000}, at::kHalf);
  file.read(info, whole, half);
  CHECK(half.equal(large.to(at::kHalf)));
  at::Tensor turned = at::empty({1000, 1500, 3}).permute({2, 1, 0});
  file.read(info, whole, turned);
  CHECK(turned.equal(large));
  CHECK(file.load(*file.find("flags")).equal(large.gt(5)));
}

TEST_CASE("booleans are 0 or 1 whatever the file says") {
  const TemporaryFolder folder;
  const auto path =
      write_file(folder / "b.safetensors",
                 safetensors_bytes(R"({"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})") +
                     "\x02" + std::string(1, '\0') + "\xff");
  const auto file = open_file(path);
  const at::Tensor read = file.load(*file.find("a"));
  CHECK(read.view(at::kByte).equal(at::tensor({1, 0, 1}, at::kByte)));
}

TEST_CASE("dtypes that would lose their meaning are refused") {
  const TemporaryFolder folder;
  write_safetensors(folder / "d.safetensors", {{"f", at::ones({2})},
                                               {"i", at::ones({2}, at::kInt)},
                                               {"u", at::ones({2}, at::kByte)},
                                               {"c", at::ones({2}, at::kComplexFloat)},
                                               {"b", at::ones({2}, at::kBool)}});
  const auto file = open_file(folder / "d.safetensors");
  const auto into = [&](const char* name, at::ScalarType dtype) {
    const TensorInfo& info = *file.find(name);
    return outcome_of([&] { file.read(info, Box::whole(info.shape), at::empty({2}, dtype)); });
  };
  for (const auto& [name, dtype] :
       std::vector<std::pair<const char*, at::ScalarType>>{{"f", at::kHalf},
                                                           {"f", at::kDouble},
                                                           {"f", at::kBFloat16},
                                                           {"i", at::kLong},
                                                           {"u", at::kInt},
                                                           {"u", at::kShort},
                                                           {"b", at::kBool}}) {
    CHECK(into(name, dtype) == "accepted");
  }
  for (const auto& [name, dtype] :
       std::vector<std::pair<const char*, at::ScalarType>>{{"f", at::kInt},
                                                           {"i", at::kFloat},
                                                           {"i", at::kShort},
                                                           {"i", at::kByte},
                                                           {"u", at::kChar},
                                                           {"c", at::kFloat},
                                                           {"f", at::kComplexFloat},
                                                           {"b", at::kByte},
                                                           {"i", at::kBool}}) {
    CAPTURE(name);
    CHECK(into(name, dtype) == "BAD_CHECKPOINT/DTYPE_MISMATCH");
  }
  CHECK(outcome_of([&] { file.read(*file.find("f"), Box::whole({2}), at::empty({3})); }) ==
        "SHAPE");
}

TEST_CASE("the header of every dtype of the format is read, and what libtorch lacks is named") {
  const TemporaryFolder folder;
  CHECK(safetensors_dtypes().size() == 22);
  size_t loaded = 0;
  for (const std::string_view token : safetensors_dtypes()) {
    const std::string header =
        "{\"a\":{\"dtype\":\"" + std::string(token) + "\",\"shape\":[0,8],\"data_offsets\":[0,0]}}";
    const auto path = write_file(folder / "t.safetensors", safetensors_bytes(header));
    const auto file = open_file(path);
    CHECK(file.tensors()[0].dtype == token);
    const std::string outcome = outcome_of([&] { file.load(file.tensors()[0]); });
    if (scalar_type_of(token)) ++loaded;
    CHECK(outcome == (scalar_type_of(token) ? "accepted" : "UNSUPPORTED/FILE_DTYPE"));
    CHECK(Checkpoint::open(path).inspect().at("parameters").as_int() == 0);
  }
  CHECK(loaded == 11);
}

TEST_CASE("white space around the header is accepted as the reference does") {
  const TemporaryFolder folder;
  const std::string tensor = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  for (const std::string& header :
       {" \n\t\r{" + tensor + "}", "{" + tensor + "} \n", "{ " + tensor + " }",
        "{\"__metadata__\":null," + tensor + "}", "{\"__metadata__\":{}," + tensor + "}"}) {
    const auto path = write_file(folder / "w.safetensors", safetensors_bytes(header, 1));
    CHECK(open_file(path).tensors().size() == 1);
  }
}

TEST_CASE("a file that shrinks while it is read is an error, never a signal") {
  const TemporaryFolder folder;
  const auto path = folder / "s.safetensors";
  const at::Tensor large = counted({2, 1 << 20});
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (attempt % 50 == 0) write_safetensors(path, {{"a", large}});
    const auto file = open_file(path);
    std::filesystem::resize_file(path, 1000 + attempt);
    CHECK(outcome_of([&] { file.load(*file.find("a")); }) == "BAD_CHECKPOINT/FILE_CHANGED");
    std::filesystem::remove(path);
    write_safetensors(path, {{"a", large}});
  }
  std::thread cutter;
  {
    const auto file = open_file(path);
    cutter = std::thread([&] { std::filesystem::resize_file(path, 100); });
    const std::string outcome = outcome_of([&] { file.load(*file.find("a")); });
    CHECK((outcome == "accepted" || outcome == "BAD_CHECKPOINT/FILE_CHANGED"));
  }
  cutter.join();
}
