#include "io/box.h"

namespace torchsight {

Box Box::whole(const std::vector<int64_t>& shape) {
  return {std::vector<int64_t>(shape.size(), 0), shape};
}

Box Box::part(size_t dim, int64_t from, int64_t count) const {
  Box part = *this;
  part.begin[dim] += from;
  part.length[dim] = count;
  return part;
}

size_t Box::divided() const noexcept {
  size_t dim = 0;
  while (dim + 1 < length.size() && length[dim] == 1) ++dim;
  return dim;
}

int64_t Box::elements() const noexcept {
  int64_t product = 1;
  for (const int64_t size : length) product *= size;
  return product;
}

RunIterator::RunIterator(const std::vector<int64_t>& shape, const Box& box, uint64_t element)
    : run_(element) {
  // Trailing dimensions that are taken whole lie in one run, and so does the part of the next one.
  size_t outer = shape.size();
  uint64_t stride = element;
  while (outer > 0) {
    --outer;
    run_ = stride * static_cast<uint64_t>(box.length[outer]);
    offset_ += stride * static_cast<uint64_t>(box.begin[outer]);
    stride *= static_cast<uint64_t>(shape[outer]);
    if (box.length[outer] != shape[outer]) break;
  }
  gap_ = stride - run_;
  lengths_.assign(box.length.begin(), box.length.begin() + static_cast<ptrdiff_t>(outer));
  strides_.resize(outer);
  at_.resize(outer, 0);
  last_ = run_;
  for (size_t dim = outer; dim-- > 0; stride *= static_cast<uint64_t>(shape[dim])) {
    strides_[dim] = stride;
    offset_ += stride * static_cast<uint64_t>(box.begin[dim]);
    last_ += stride * static_cast<uint64_t>(box.length[dim] - 1);
  }
  last_ += offset_;
}

void RunIterator::next() noexcept {
  for (size_t dim = lengths_.size(); dim-- > 0;) {
    offset_ += strides_[dim];
    if (++at_[dim] < lengths_[dim]) return;
    offset_ -= strides_[dim] * static_cast<uint64_t>(lengths_[dim]);
    at_[dim] = 0;
  }
  done_ = true;
}

}  // namespace torchsight
