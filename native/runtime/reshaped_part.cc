#include "runtime/lazy_tensor.h"

namespace torchsight {
namespace {

using Sizes = std::vector<int64_t>;

int64_t product(const Sizes& sizes, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= sizes[i];
  return product;
}

// The elements [low, high) that a part takes of the dimensions [begin, end) in row-major order, if
// it takes nothing between them that is not its own.
bool range_of(const Sizes& shape, const Box& box, size_t begin, size_t end, int64_t& low,
              int64_t& high) {
  low = 0;
  high = 1;
  for (size_t dim = begin; dim < end; ++dim) {
    const bool whole = box.length[dim] == shape[dim];
    if (!whole && high - low > 1) return false;  // there would be gaps
    low = low * shape[dim] + box.begin[dim];
    high = (high - 1) * shape[dim] + box.begin[dim] + box.length[dim];
  }
  return true;
}

// Sets the part of the dimensions [begin, end) to the elements [low, high), where these are a part.
bool cut_to(const Sizes& shape, size_t begin, size_t end, int64_t low, int64_t high, Box& part) {
  for (size_t dim = begin; dim < end; ++dim) {
    const int64_t inner = product(shape, dim + 1, end);
    const int64_t first = low / inner, last = (high - 1) / inner;
    part.begin[dim] = first;
    part.length[dim] = last - first + 1;
    low -= first * inner;
    high -= first * inner;
    if (first == last) continue;  // one entry: the range goes on inside of it
    return low == 0 && high == (last - first + 1) * inner;
  }
  return true;
}

}  // namespace

// Dimensions fall into groups of equal products, such as [D, H, d] and [D, H*d] into D and H*d, and
// each group is translated for itself.
std::pair<Box, bool> reshaped_part(const Sizes& from, const Sizes& to, const Box& box) {
  Box part = Box::whole(from);
  for (const int64_t size : from) {
    if (size == 0) return {part, false};
  }
  bool exact = true;
  size_t i = 0, j = 0;
  while (exact && (i < from.size() || j < to.size())) {
    size_t i_end = i, j_end = j;
    int64_t size_i = 1, size_j = 1;
    do {
      if (i_end < from.size() && (size_i <= size_j || j_end == to.size())) {
        size_i *= from[i_end++];
      } else {
        size_j *= to[j_end++];
      }
    } while (size_i != size_j);
    int64_t low = 0, high = 0;
    exact = range_of(to, box, j, j_end, low, high) && cut_to(from, i, i_end, low, high, part);
    i = i_end;
    j = j_end;
  }
  if (!exact) part = Box::whole(from);
  return {part, exact};
}

}  // namespace torchsight
