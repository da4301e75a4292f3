#include "io/tensor_file.h"

#include <ATen/ATen.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <future>

#include "io/box.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "runtime/error.h"
#include "runtime/tensors.h"

namespace torchsight {
namespace {

constexpr uint64_t kWindow = uint64_t{4} << 20;   // one read that many short runs are taken from
constexpr uint64_t kStaging = uint64_t{8} << 20;  // one buffer on the way to another dtype
constexpr uint64_t kTwoThreads = uint64_t{8} << 20;
constexpr uint64_t kSmallGap = uint64_t{16} << 10;

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 11> kTypes{{
    {"F32", at::kFloat},
    {"F64", at::kDouble},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I8", at::kChar},
    {"U8", at::kByte},
    {"I16", at::kShort},
    {"I32", at::kInt},
    {"I64", at::kLong},
    {"BOOL", at::kBool},
    {"C64", at::kComplexFloat},
}};

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

bool convertible(at::ScalarType from, at::ScalarType to) {
  if (from == to) return true;
  if (at::isFloatingType(from)) return at::isFloatingType(to);
  if (!at::isIntegralType(from, false) || !at::isIntegralType(to, false)) return false;
  const bool fits = c10::elementSize(from) < c10::elementSize(to);
  return fits && !(at::isSignedType(from) && !at::isSignedType(to));
}

// Asks for huge pages where memory is about to be written for the first time: page faults take
// longer than copying from the page cache does.
void prefer_huge_pages(char* memory, uint64_t bytes) {
#ifdef __linux__
  constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) & ~(kHugePage - 1);
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

std::vector<int64_t> reversed_order(int64_t dims) {
  std::vector<int64_t> order;
  for (int64_t dim = dims; dim-- > 0;) order.push_back(dim);
  return order;
}

}  // namespace

std::optional<at::ScalarType> scalar_type_of(std::string_view token) noexcept {
  for (const auto& [known, type] : kTypes) {
    if (known == token) return type;
  }
  return std::nullopt;
}

at::ScalarType scalar_type_in(const TensorFile& file, const TensorInfo& info) {
  if (const auto type = scalar_type_of(info.dtype)) return *type;
  throw Error(ErrorCode::kUnsupported,
              "expected a dtype that libtorch can load for \"" + info.name + "\" in " +
                  file.name() + " but received " + std::string(info.dtype),
              "FILE_DTYPE");
}

std::string_view token_of(at::ScalarType dtype) {
  for (const auto& [token, type] : kTypes) {
    if (type == dtype) return token;
  }
  throw Error(ErrorCode::kUnsupported, std::string("expected a dtype that safetensors files of ") +
                                           "this library hold but received " +
                                           c10::toString(dtype));
}

void TensorFile::set_tensors(std::vector<TensorInfo> tensors) {
  tensors_ = std::move(tensors);
  for (const TensorInfo& info : tensors_) names_.insert(info.name);
}

const TensorInfo* TensorFile::find(std::string_view name) const noexcept {
  const size_t found = names_.find(name);
  return found == KeySet::kAbsent ? nullptr : &tensors_[found];
}

at::Tensor TensorFile::load(const TensorInfo& info) const {
  return load(info, Box::whole(info.shape));
}

at::Tensor TensorFile::load(const TensorInfo& info, const Box& box) const {
  const at::Tensor tensor = at::empty(box.length, scalar_type_in(*this, info));
  read(info, box, tensor);
  return tensor;
}

void TensorFile::read(const TensorInfo& info, const Box& box, const at::Tensor& destination) const {
  const at::ScalarType type = scalar_type_in(*this, info);
  if (!convertible(type, destination.scalar_type())) {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected a dtype that converts to " +
                    std::string(dtype_name(destination.scalar_type())) + " for \"" + info.name +
                    "\" in " + name_ + " but received " + std::string(dtype_name(type)),
                "DTYPE_MISMATCH");
  }
  bool inside = box.begin.size() == info.shape.size() && box.length.size() == info.shape.size();
  for (size_t dim = 0; inside && dim < info.shape.size(); ++dim) {
    inside = box.begin[dim] >= 0 && box.length[dim] >= 0 &&
             box.length[dim] <= info.shape[dim] - box.begin[dim];
  }
  if (!inside || destination.sizes() != at::IntArrayRef(box.length)) {
    throw Error(ErrorCode::kShape, "expected a part of shape " + shape_text(destination.sizes()) +
                                       " of \"" + info.name + "\" in " + name_ + " but received " +
                                       shape_text(box.length) + " of " + shape_text(info.shape));
  }
  if (destination.numel() == 0 || destination.is_meta()) return;
  Layout layout{info, info.shape, type, static_cast<uint64_t>(c10::elementSize(type))};
  if (info.column_major) {
    std::reverse(layout.shape.begin(), layout.shape.end());
    Box reversed = box;
    std::reverse(reversed.begin.begin(), reversed.begin.end());
    std::reverse(reversed.length.begin(), reversed.length.end());
    read_staged(layout, reversed, destination.permute(reversed_order(destination.dim())));
    return;
  }
  if (destination.is_cpu() && destination.is_contiguous()) {
    prefer_huge_pages(static_cast<char*>(destination.mutable_data_ptr()), destination.nbytes());
  }
  // Booleans go through staging too: a file may hold bytes other than 0 and 1.
  const bool in_place = type == destination.scalar_type() && type != at::kBool &&
                        destination.is_cpu() && destination.is_contiguous();
  if (in_place) {
    read_halves(layout, box, static_cast<char*>(destination.mutable_data_ptr()));
  } else {
    read_staged(layout, box, destination);
  }
}

void TensorFile::read_staged(const Layout& layout, const Box& box,
                             const at::Tensor& destination) const {
  const uint64_t bytes = static_cast<uint64_t>(box.elements()) * layout.element;
  // One plain buffer for all chunks: aligned ones of this size, freed and taken again, would leave
  // holes in glibc's heap that nothing fits into.
  const std::unique_ptr<char[]> staging(new char[std::min(bytes, kStaging)]);
  read_chunks(layout, box, destination, staging.get());
}

void TensorFile::read_chunks(const Layout& layout, const Box& box, const at::Tensor& destination,
                             char* staging) const {
  const uint64_t bytes = static_cast<uint64_t>(box.elements()) * layout.element;
  if (bytes > kStaging) {
    const size_t dim = box.divided();
    const int64_t size = box.length[dim];
    const uint64_t each = bytes / static_cast<uint64_t>(size);
    const auto step = std::max<int64_t>(1, static_cast<int64_t>(kStaging / each));
    for (int64_t at = 0; at < size; at += step) {
      const int64_t count = std::min(step, size - at);
      read_chunks(layout, box.part(dim, at, count),
                  destination.narrow(static_cast<int64_t>(dim), at, count), staging);
    }
    return;
  }
  read_packed(layout, box, staging);
  if (layout.type == at::kBool) {
    std::transform(staging, staging + bytes, staging, [](char byte) { return byte != 0; });
  }
  destination.copy_(at::from_blob(staging, box.length, layout.type));
}

// Two threads keep a fast disk, or the copy out of the page cache and its page faults, busier.
void TensorFile::read_halves(const Layout& layout, const Box& box, char* to) const {
  const uint64_t bytes = static_cast<uint64_t>(box.elements()) * layout.element;
  const size_t dim = box.divided();
  if (bytes < kTwoThreads || box.length[dim] < 2) return read_packed(layout, box, to);
  const int64_t first = box.length[dim] / 2;
  const Box low = box.part(dim, 0, first);
  const Box high = box.part(dim, first, box.length[dim] - first);
  const uint64_t offset = static_cast<uint64_t>(low.elements()) * layout.element;
  auto other = std::async(std::launch::async, [&] { read_packed(layout, high, to + offset); });
  read_packed(layout, low, to);
  other.get();
}

void TensorFile::read_packed(const Layout& layout, const Box& box, char* to) const {
  const RunIterator first(layout.shape, box, layout.element);
  const uint64_t run = first.run();
  if (run >= direct_run_ || first.gap() > kSmallGap || first.single()) {
    for (RunIterator at = first; !at.done(); at.next(), to += run) {
      read_bytes(layout.info, at.offset(), to, run);
    }
    return;
  }
  std::vector<char> window;
  uint64_t begin = 0, end = 0;
  for (RunIterator at = first; !at.done(); at.next(), to += run) {
    if (at.offset() + run > end) {
      begin = at.offset();
      end = std::min(first.last(), begin + std::max(kWindow, run));
      window.resize(end - begin);
      read_bytes(layout.info, begin, window.data(), window.size());
    }
    std::memcpy(to, window.data() + (at.offset() - begin), run);
  }
}

std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path) {
  const auto ending = path.extension();
  if (ending == ".npz" || ending == ".npy") return open_npz(InputFile(path));
  return std::make_unique<SafetensorsFile>(InputFile(path));
}

}  // namespace torchsight
