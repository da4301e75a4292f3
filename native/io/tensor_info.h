// What a file says of one of its tensors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchsight {

/// One tensor of a file. `begin` and `end` are bytes of the part of the file that holds data.
struct TensorInfo {
  std::string name;
  std::string_view dtype;  // a token of the safetensors format, e.g. "F32", in static storage
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool column_major = false;  // the first dimension varies fastest, as npy files may have it

  uint64_t bytes() const noexcept { return end - begin; }
  int64_t elements() const noexcept {
    int64_t product = 1;
    for (const int64_t size : shape) {
      if (size == 0) return 0;  // before the other sizes, which may be anything then
    }
    for (const int64_t size : shape) product *= size;
    return product;
  }
};

}  // namespace torchsight
