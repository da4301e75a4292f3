// Where the tensors of a safetensors file lie, and whether that can be true.
#include <algorithm>
#include <array>
#include <limits>

#include "io/safetensors_header.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

struct Dtype {
  std::string_view token;
  uint64_t bits;
};

constexpr std::array<Dtype, 22> kDtypes{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

class Layout {
 public:
  explicit Layout(std::string_view what) : what_(what) {}

  // Each tensor begins where the last one ended, so holes, overlaps and aliases are all refused.
  void check(const std::vector<TensorInfo>& tensors, uint64_t data_bytes) const {
    uint64_t end = 0;
    for (const TensorInfo& info : tensors) {
      if (info.begin != end || info.end < info.begin) {
        fail("INVALID_OFFSET", "data from byte " + std::to_string(end) + " for " + text_of(info),
             "[" + std::to_string(info.begin) + ", " + std::to_string(info.end) + ")");
      }
      end = info.end;
      const uint64_t bits = bits_of(info);
      if (bits % 8 != 0) fail("MISALIGNED", "whole bytes of data", text_of(info));
      if (bits / 8 != info.bytes()) {
        fail("SIZE_MISMATCH", std::to_string(bits / 8) + " bytes for " + text_of(info),
             std::to_string(info.bytes()));
      }
    }
    if (end != data_bytes) {
      fail(end > data_bytes ? "FILE_TOO_SHORT" : "TRAILING_DATA",
           std::to_string(end) + " bytes of data", std::to_string(data_bytes));
    }
  }

 private:
  [[noreturn]] void fail(const char* reason, const std::string& expected,
                         const std::string& received) const {
    throw Error(ErrorCode::kBadCheckpoint,
                "expected " + expected + " in " + std::string(what_) + " but received " + received,
                reason);
  }
  static std::string text_of(const TensorInfo& info) {
    return "tensor \"" + info.name.substr(0, kShownName) + "\"";
  }
  uint64_t bits_of(const TensorInfo& info) const {
    uint64_t product = 1;
    const auto multiply = [&](uint64_t factor) {
      if (factor != 0 && product > std::numeric_limits<uint64_t>::max() / factor) {
        fail("OVERFLOW", "sizes whose product fits 64 bits", text_of(info));
      }
      product *= factor;
    };
    for (const int64_t size : info.shape) multiply(static_cast<uint64_t>(size));
    const auto* dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                     [&](const Dtype& one) { return one.token == info.dtype; });
    multiply(dtype->bits);
    return product;
  }

  static constexpr size_t kShownName = 100;
  std::string_view what_;
};

}  // namespace

void arrange_safetensors(std::vector<TensorInfo>& tensors, uint64_t data_bytes,
                         std::string_view what) {
  const auto earlier = [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  };
  if (!std::is_sorted(tensors.begin(), tensors.end(), earlier)) {
    std::stable_sort(tensors.begin(), tensors.end(), earlier);
  }
  Layout(what).check(tensors, data_bytes);
}

std::string_view safetensors_dtype(std::string_view token) noexcept {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.token == token) return dtype.token;
  }
  return {};
}

const std::vector<std::string_view>& safetensors_dtypes() {
  static const std::vector<std::string_view> tokens = [] {
    std::vector<std::string_view> list;
    for (const Dtype& dtype : kDtypes) list.push_back(dtype.token);
    return list;
  }();
  return tokens;
}

}  // namespace torchsight
