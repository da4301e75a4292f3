// Tensors of files, seen through the steps of a load plan and read only where they are needed.
#pragma once

#include <memory>
#include <vector>

#include "io/tensor_file.h"
#include "runtime/load_plan.h"

namespace torchsight {

/// A tensor that has a shape already and values on demand. `read` asks for a part, and each step
/// turns the part of its result into the parts of its sources, so that a rank of a sharded model
/// reads its slice alone, whatever steps lie between the file and the parameter.
class LazyTensor {
 public:
  virtual ~LazyTensor() = default;
  const std::vector<int64_t>& shape() const noexcept { return shape_; }
  /// The dtype that loses nothing of the files' values. Throws `Error(kUnsupported)` for dtypes
  /// that libtorch lacks.
  virtual at::ScalarType dtype() const = 0;
  /// Writes the part into `destination`, a tensor or view of the box's lengths, of any strides.
  virtual void read(const Box& box, const at::Tensor& destination) const = 0;

 protected:
  explicit LazyTensor(std::vector<int64_t> shape) : shape_(std::move(shape)) {}

 private:
  std::vector<int64_t> shape_;
};

using LazyList = std::vector<std::shared_ptr<const LazyTensor>>;

/// The tensor `info` of `file`, both of which have to live as long as it is read.
std::shared_ptr<const LazyTensor> lazy_source(const TensorFile& file, const TensorInfo& info);

/// What `step` makes of the list. Throws `Error(kBadCheckpoint)` with the reason PLAN_STEP where it
/// does not fit the shapes.
LazyList lazy_step(const LoadEntry::Step& step, const LazyList& list);

/// The same for the steps `concat`, `stack` and `add`, on a list that is not empty.
LazyList::value_type lazy_join(const LoadEntry::Step& step, const LazyList& list);

/// What steps share: the error of one that does not fit, a shape as text, and a dimension that has
/// to be one of the shape's.
[[noreturn]] void lazy_misfit(const std::string& why);
std::string lazy_text_of(const std::vector<int64_t>& shape);
int64_t lazy_dim_of(int64_t dim, const std::vector<int64_t>& shape);

/// The part of a tensor of shape `from` that holds the elements of `box` of the same tensor in
/// shape `to`, and whether it holds no others. Where it does, the part has to be cut afterwards.
std::pair<Box, bool> reshaped_part(const std::vector<int64_t>& from, const std::vector<int64_t>& to,
                                   const Box& box);

}  // namespace torchsight
