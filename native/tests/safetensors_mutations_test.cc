// 2,000 mutated files must get the reference implementation's verdict. The one difference is that
// torchsight refuses duplicate keys; the fixture names those files.
#include <algorithm>
#include <sstream>

#include "io/safetensors.h"
#include "tests/files.h"
#include "tests/paths.h"

using namespace torchsight;
using namespace torchsight::tests;

namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// Edits of the form OFFSET:COUNT:HEX, joined by commas.
std::string edited(std::string bytes, const std::string& edits) {
  std::istringstream list(edits);
  std::string edit;
  while (std::getline(list, edit, ',')) {
    const size_t first = edit.find(':'), second = edit.find(':', first + 1);
    bytes.replace(std::stoull(edit), std::stoull(edit.substr(first + 1)),
                  from_hex(edit.substr(second + 1)));
  }
  return bytes;
}

std::string content_of(const TensorFile& file) {
  std::vector<std::string> lines;
  for (const TensorInfo& info : file.tensors()) {
    std::string line = info.name + " " + std::string(info.dtype) + " ";
    for (size_t i = 0; i < info.shape.size(); ++i) {
      line += (i ? "," : "") + std::to_string(info.shape[i]);
    }
    lines.push_back(line + "\n");
  }
  std::sort(lines.begin(), lines.end());
  uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  for (const std::string& line : lines) {
    for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  return std::to_string(hash);
}

}  // namespace

TEST_CASE("mutated files get the reference's verdict, duplicate keys apart") {
  const TemporaryFolder folder;
  const auto fixture = test::fixtures() / "safetensors" / "mutations.txt";
  std::ifstream lines(fixture);
  std::vector<std::string> bases;
  std::string line;
  size_t count = 0, accepted = 0, duplicates = 0;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string expected, base, edits;
    words >> expected >> base >> edits;
    if (expected == "base") {
      bases.push_back(from_hex(base));
      continue;
    }
    CAPTURE(line);
    const auto path =
        write_file(folder / "m.safetensors", edited(bases.at(std::stoull(base)), edits));
    std::string content;
    const std::string outcome = outcome_of([&] {
      const SafetensorsFile file{InputFile(path)};
      content = content_of(file);
      for (const TensorInfo& info : file.tensors()) {
        if (scalar_type_of(info.dtype) && info.elements() > 0) file.load(info);
      }
    });
    ++count;
    if (expected == "refused") {
      CHECK(outcome.starts_with("BAD_CHECKPOINT/"));
    } else if (expected == "duplicate") {
      CHECK(outcome == "BAD_CHECKPOINT/DUPLICATE_KEY");
      ++duplicates;
    } else {
      CHECK(outcome == "accepted");
      CHECK(content == expected);
      ++accepted;
    }
  }
  CHECK(count == 2000);
  CHECK(accepted > 400);
  CHECK(duplicates > 20);
}
