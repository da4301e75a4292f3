// Parts of tensors, and the runs of bytes that they are in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace torchsight {

/// A part of a tensor: `length[d]` entries from `begin[d]` of each dimension.
struct Box {
  std::vector<int64_t> begin;
  std::vector<int64_t> length;

  static Box whole(const std::vector<int64_t>& shape);
  /// The part of this part that has `count` entries from `from` of dimension `dim`.
  Box part(size_t dim, int64_t from, int64_t count) const;
  /// The first dimension of more than one entry, which is where a box is best divided.
  size_t divided() const noexcept;
  int64_t elements() const noexcept;
};

/// Walks over the contiguous runs of a box in a row-major tensor, in the order of the file.
class RunIterator {
 public:
  /// The box must not be empty. `element` is the size of one element in bytes.
  RunIterator(const std::vector<int64_t>& shape, const Box& box, uint64_t element);

  uint64_t run() const noexcept { return run_; }        // bytes of each run
  uint64_t gap() const noexcept { return gap_; }        // bytes between two neighbours, at least
  uint64_t last() const noexcept { return last_; }      // one past the last byte of the box
  uint64_t offset() const noexcept { return offset_; }  // where the present run begins
  bool single() const noexcept { return lengths_.empty(); }
  bool done() const noexcept { return done_; }
  void next() noexcept;

 private:
  uint64_t run_ = 0, gap_ = 0, last_ = 0, offset_ = 0;
  std::vector<int64_t> lengths_;   // of the dimensions outside of a run
  std::vector<uint64_t> strides_;  // of these, in bytes
  std::vector<int64_t> at_;
  bool done_ = false;
};

}  // namespace torchsight
