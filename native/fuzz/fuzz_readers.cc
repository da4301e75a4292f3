// One libFuzzer target over the readers of hostile input. The first byte chooses the reader; what
// is accepted has to keep the promises that the rest of the library builds on.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "io/checkpoint_index.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/safetensors_header.h"
#include "io/shard_manifest.h"
#include "io/zip.h"
#include "programs/call_spec.h"
#include "programs/wrapper_source.h"
#include "runtime/error.h"

using namespace torchsight;

namespace {

constexpr uint64_t kLargestUnpacked = uint64_t{1} << 20;

void require(bool promise) {
  if (!promise) std::abort();
}

class Memory : public ByteSource {
 public:
  explicit Memory(std::string_view bytes) : bytes_(bytes) {}
  const std::string& name() const noexcept override { return name_; }
  uint64_t size() const noexcept override { return bytes_.size(); }
  void read(uint64_t offset, void* to, uint64_t bytes) const override {
    require(offset <= bytes_.size() && bytes <= bytes_.size() - offset);
    if (bytes > 0) std::memcpy(to, bytes_.data() + offset, bytes);
  }

 private:
  std::string name_ = "memory";
  std::string_view bytes_;
};

// The first two bytes are the size of the data section.
void read_safetensors(std::string_view input) {
  if (input.size() < 2) return;
  const auto size = static_cast<unsigned char>(input[0]) | static_cast<unsigned char>(input[1])
                                                               << 8;
  const auto header =
      parse_safetensors_header(std::string(input.substr(2)), static_cast<uint64_t>(size), "fuzz");
  uint64_t end = 0;
  for (const TensorInfo& info : header.tensors) {
    require(info.begin == end && info.end >= info.begin && info.end <= static_cast<uint64_t>(size));
    require(info.elements() >= 0 && info.elements() <= size * 2);
    require((info.elements() == 0) == (info.bytes() == 0));
    end = info.end;
  }
  require(end == static_cast<uint64_t>(size));
}

void read_json(std::string_view input) {
  const std::string once = Json::parse(input).dump();
  require(Json::parse(once).dump() == once);
}

void read_index(std::string_view input) {
  const CheckpointIndex index = parse_index(input, "fuzz");
  require(!index.weight_map.empty());
  for (const auto& [tensor, file] : index.weight_map) {
    require(file.find_first_of("/\\:") == std::string::npos && file != ".." && !file.empty());
  }
}

void read_manifest(std::string_view input) {
  const ShardManifest manifest = parse_manifest(input, "fuzz");
  require(!manifest.tensors.empty());
  for (const ShardManifest::File& file : manifest.files) {
    require(file.name.find_first_of("/\\:") == std::string::npos && file.name != "..");
  }
  for (const ShardManifest::Tensor& tensor : manifest.tensors) {
    int64_t end = 0;
    for (const ShardManifest::Piece& piece : tensor.pieces) {
      require(piece.file < manifest.files.size());
      require(piece.begin == end && piece.length >= 0);
      end += piece.length;
    }
    require(!tensor.cut || end == tensor.shape.at(static_cast<size_t>(*tensor.cut)));
  }
  const std::string once = manifest.to_json().dump();
  require(parse_manifest(once, "fuzz").to_json().dump() == once);
}

void read_npy(std::string_view array) {
  const uint64_t length = npy_header_bytes(array.substr(0, kNpyPrefix), "fuzz");
  if (length > array.size()) return;
  const TensorInfo info =
      parse_npy_header(array.substr(0, length), "a", array.size() - length, "fuzz");
  require(info.begin == length && info.end == array.size());
}

void read_npz(std::string_view input) {
  const Memory archive(input);
  for (const ZipEntry& entry : read_zip_directory(archive)) {
    require(entry.begin <= input.size() && entry.packed <= input.size() - entry.begin);
    if (entry.size > kLargestUnpacked) continue;
    const std::string bytes = entry.deflated ? inflate_entry(archive, entry, entry.size)
                                             : std::string(input.substr(entry.begin, entry.size));
    require(bytes.size() == entry.size);
    read_npy(bytes);
  }
}

void read_source(std::string_view source) {
  const std::vector<InputCheck> checks = read_input_checks(source);
  for (const InputCheck& check : checks) {
    const bool whole = unchecked_part(check, checks).empty();
    require(check.strides.size() == check.dimensions.size() || (!whole && check.strides.empty()));
    for (const Dimension& dimension : check.dimensions) {
      require(!whole || !dimension.size.text().empty());
      dimension.size.value({{"s0", 3}});
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 8) {
      case 0:
        read_safetensors(input);
        break;
      case 1:
        read_json(input);
        break;
      case 2:
        read_index(input);
        break;
      case 3:
        read_npy(input);
        break;
      case 4:
        read_npz(input);
        break;
      case 5:
        read_manifest(input);
        break;
      case 6:
        read_source(input);
        break;
      default:
        input_names(input, {"x"}, {{"Pair", {"a", "b"}}});
        output_names(input, {{"Pair", {"a", "b"}}});
    }
  } catch (const Error&) {
    // A refusal. Any other exception ends the process and is a finding.
  }
  return 0;
}
