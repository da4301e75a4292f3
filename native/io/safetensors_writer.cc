#include <ATen/ATen.h>

#include <algorithm>

#include "io/digest.h"
#include "io/safetensors.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";

// The reference sorts by its list of dtypes, last first, then by name.
size_t rank_of(at::ScalarType dtype) {
  const auto& tokens = safetensors_dtypes();
  return std::find(tokens.begin(), tokens.end(), token_of(dtype)) - tokens.begin();
}

std::string header_text(const std::vector<TensorOutline>& tensors, const Metadata& metadata) {
  Json::Object header;
  if (!metadata.empty()) {
    Json::Object members;
    for (const auto& [key, value] : metadata) members.emplace_back(key, value);
    header.emplace_back(kMetadataKey, std::move(members));
  }
  int64_t offset = 0;
  for (const TensorOutline& tensor : tensors) {
    Json::Array shape;
    for (const int64_t size : tensor.shape) shape.emplace_back(size);
    const auto end = offset + static_cast<int64_t>(tensor.bytes());
    header.emplace_back(tensor.name, Json::Object{{"dtype", std::string(token_of(tensor.dtype))},
                                                  {"shape", std::move(shape)},
                                                  {"data_offsets", Json::Array{offset, end}}});
    offset = end;
  }
  std::string text = Json(std::move(header)).dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

uint64_t TensorOutline::bytes() const {
  uint64_t product = c10::elementSize(dtype);
  for (const int64_t size : shape) product *= static_cast<uint64_t>(size);
  return product;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<TensorOutline> tensors, const Metadata& metadata)
    : file_(path) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    const size_t rank_a = rank_of(a.dtype), rank_b = rank_of(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
  });
  const std::string header = header_text(tensors, metadata);
  const uint64_t length = header.size();
  if (length > kMaxSafetensorsHeader) {
    throw Error(ErrorCode::kBadInput, "expected names that fit a header of 100000000 bytes for " +
                                          path.string() + " but received " +
                                          std::to_string(length));
  }
  file_.write(0, &length, sizeof length);
  file_.write(sizeof length, header.data(), length);
  uint64_t offset = sizeof length + length;
  for (TensorOutline& tensor : tensors) {
    const uint64_t bytes = tensor.bytes();
    places_.push_back({std::move(tensor), offset});
    offset += bytes;
  }
  bytes_ = offset;
  header_digest_ = digest_of(header);
  const auto name_of = [](const Place& place) -> const std::string& { return place.outline.name; };
  std::ranges::sort(places_, {}, name_of);
  for (size_t i = 0; i < places_.size(); ++i) {
    const std::string& name = name_of(places_[i]);
    if (name == kMetadataKey || (i > 0 && name == name_of(places_[i - 1]))) {
      throw Error(ErrorCode::kBadInput,
                  "expected names of tensors that differ from each other and "
                  "from \"__metadata__\" but received \"" +
                      name + "\"");
    }
  }
}

void SafetensorsWriter::write(const std::string& name, const at::Tensor& tensor) {
  const auto place = std::ranges::lower_bound(
      places_, name, {}, [](const Place& one) -> const std::string& { return one.outline.name; });
  if (place == places_.end() || place->outline.name != name || place->written ||
      tensor.scalar_type() != place->outline.dtype || tensor.sizes() != place->outline.shape) {
    throw Error(ErrorCode::kInternal,
                "expected each tensor once and as it was announced for \"" + name + "\"");
  }
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  file_.write(place->offset, host.const_data_ptr(), host.nbytes());
  place->written = true;
}

void SafetensorsWriter::finish() {
  for (const Place& place : places_) {
    if (!place.written) {
      throw Error(ErrorCode::kInternal,
                  "expected values for \"" + place.outline.name + "\" but received none");
    }
  }
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  std::vector<TensorOutline> outlines;
  for (const auto& [name, tensor] : tensors) {
    outlines.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  }
  SafetensorsWriter writer(path, std::move(outlines), metadata);
  for (const auto& [name, tensor] : tensors) writer.write(name, tensor);
  writer.finish();
}

}  // namespace torchsight
