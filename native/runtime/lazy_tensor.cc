#include "runtime/lazy_tensor.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <numeric>
#include <utility>

#include "runtime/error.h"

namespace torchsight {
namespace {

using Kind = LoadEntry::Step::Kind;
using Sizes = std::vector<int64_t>;

[[noreturn]] void misfit(const std::string& why) {
  throw Error(ErrorCode::kBadCheckpoint, why, "PLAN_STEP");
}

std::string text_of(const Sizes& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

int64_t dim_of(int64_t dim, const Sizes& shape) {
  if (dim >= 0 && dim < static_cast<int64_t>(shape.size())) return dim;
  misfit("there is no dimension " + std::to_string(dim) + " in " + text_of(shape));
}

class Source : public LazyTensor {
 public:
  Source(const TensorFile& file, const TensorInfo& info)
      : LazyTensor(info.shape), file_(file), info_(info) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    file_.read(info_, box, destination);
  }

 private:
  const TensorFile& file_;
  const TensorInfo& info_;
};

class Sliced : public LazyTensor {
 public:
  static Sizes shape_of(const LoadEntry::Step& step, Sizes shape) {
    int64_t& size = shape[dim_of(step.dim, shape)];
    if (step.begin < 0 || step.end > size || step.begin > step.end) {
      misfit(std::string("[") + std::to_string(step.begin) + ", " + std::to_string(step.end) +
             ") is not within dimension " + std::to_string(step.dim) + " of " + text_of(shape));
    }
    size = step.end - step.begin;
    return shape;
  }
  Sliced(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), step_(step), from_(std::move(from)) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    Box moved = box;
    moved.begin[step_.dim] += step_.begin;
    from_->read(moved, destination);
  }

 private:
  LoadEntry::Step step_;
  LazyList::value_type from_;
};

class Selected : public LazyTensor {
 public:
  static Sizes shape_of(const LoadEntry::Step& step, Sizes shape) {
    const int64_t size = shape[dim_of(step.dim, shape)];
    if (step.begin < 0 || step.begin >= size) {
      misfit("there is no entry " + std::to_string(step.begin) + " in dimension " +
             std::to_string(step.dim) + " of " + text_of(shape));
    }
    shape.erase(shape.begin() + step.dim);
    return shape;
  }
  Selected(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), step_(step), from_(std::move(from)) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    Box wider = box;
    wider.begin.insert(wider.begin.begin() + step_.dim, step_.begin);
    wider.length.insert(wider.length.begin() + step_.dim, 1);
    from_->read(wider, destination.unsqueeze(step_.dim));
  }

 private:
  LoadEntry::Step step_;
  LazyList::value_type from_;
};

class Permuted : public LazyTensor {
 public:
  static Sizes permute(const Sizes& values, const Sizes& order) {
    Sizes permuted;
    for (const int64_t dim : order) permuted.push_back(values[dim]);
    return permuted;
  }
  Permuted(Sizes order, LazyList::value_type from)
      : LazyTensor(permute(from->shape(), order)), inverse_(order.size()), from_(std::move(from)) {
    for (size_t i = 0; i < order.size(); ++i) inverse_[order[i]] = static_cast<int64_t>(i);
  }
  void read(const Box& box, const at::Tensor& destination) const override {
    from_->read({permute(box.begin, inverse_), permute(box.length, inverse_)},
                destination.permute(inverse_));
  }

 private:
  Sizes inverse_;
  LazyList::value_type from_;
};

Sizes order_of(const LoadEntry::Step& step, const Sizes& shape) {
  Sizes order(shape.size());
  std::iota(order.begin(), order.end(), 0);
  if (step.kind == Kind::kTranspose) {
    std::swap(order[dim_of(step.dim, shape)], order[dim_of(step.begin, shape)]);
    return order;
  }
  if (!std::is_permutation(order.begin(), order.end(), step.shape.begin(), step.shape.end())) {
    misfit(text_of(step.shape) + " is no order of the dimensions of " + text_of(shape));
  }
  return step.shape;
}

class Reshaped : public LazyTensor {
 public:
  static Sizes shape_of(const LoadEntry::Step& step, const Sizes& shape) {
    int64_t wanted = 1;
    for (const int64_t size : step.shape) {
      const bool fits = size >= 0 && (size == 0 || wanted <= INT64_MAX / size);
      if (!fits) misfit(text_of(step.shape) + " is no shape");
      wanted *= size;
    }
    if (wanted != Box::whole(shape).elements()) {
      misfit(text_of(shape) + " cannot take the shape " + text_of(step.shape));
    }
    return step.shape;
  }
  Reshaped(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), from_(std::move(from)) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    const auto [part, exact] = reshaped_part(from_->shape(), shape(), box);
    if (exact && destination.is_contiguous()) {
      from_->read(part, destination.view(part.length));
      return;
    }
    const at::Tensor read = at::empty(part.length, destination.options().device(at::kCPU));
    from_->read(part, read);
    if (exact) {
      destination.copy_(read.view(box.length));
      return;
    }
    at::Tensor whole = read.view(shape());
    for (size_t dim = 0; dim < box.length.size(); ++dim) {
      whole = whole.narrow(static_cast<int64_t>(dim), box.begin[dim], box.length[dim]);
    }
    destination.copy_(whole);
  }

 private:
  LazyList::value_type from_;
};

class Joined : public LazyTensor {
 public:
  static Sizes shape_of(int64_t dim, const LazyList& list) {
    Sizes joined = list.front()->shape();
    joined[dim_of(dim, joined)] = 0;
    for (const auto& one : list) {
      Sizes shape = one->shape();
      if (shape.size() == joined.size()) joined[dim] += std::exchange(shape[dim], joined[dim]);
      if (shape.size() != joined.size()) misfit("tensors of unequal rank cannot be joined");
      for (size_t i = 0; i < shape.size(); ++i) {
        if (static_cast<int64_t>(i) != dim && shape[i] != joined[i]) {
          misfit(text_of(one->shape()) + " cannot be joined to " + text_of(list.front()->shape()) +
                 " along dimension " + std::to_string(dim));
        }
      }
    }
    return joined;
  }
  Joined(int64_t dim, LazyList list)
      : LazyTensor(shape_of(dim, list)), dim_(dim), list_(std::move(list)) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    int64_t start = 0;
    for (const auto& one : list_) {
      const int64_t size = one->shape()[dim_];
      const int64_t low = std::max(box.begin[dim_], start);
      const int64_t high = std::min(box.begin[dim_] + box.length[dim_], start + size);
      if (low < high) {
        Box part = box;
        part.begin[dim_] = low - start;
        part.length[dim_] = high - low;
        one->read(part, destination.narrow(dim_, low - box.begin[dim_], high - low));
      }
      start += size;
    }
  }

 private:
  int64_t dim_;
  LazyList list_;
};

// One more dimension of size 1, which joining then fills.
class Unsqueezed : public LazyTensor {
 public:
  static Sizes shape_of(int64_t dim, Sizes shape) {
    if (dim < 0 || dim > static_cast<int64_t>(shape.size())) {
      misfit("nothing can be stacked along dimension " + std::to_string(dim) + " of " +
             text_of(shape));
    }
    shape.insert(shape.begin() + dim, 1);
    return shape;
  }
  Unsqueezed(int64_t dim, LazyList::value_type from)
      : LazyTensor(shape_of(dim, from->shape())), dim_(dim), from_(std::move(from)) {}
  void read(const Box& box, const at::Tensor& destination) const override {
    Box narrower = box;
    narrower.begin.erase(narrower.begin.begin() + dim_);
    narrower.length.erase(narrower.length.begin() + dim_);
    from_->read(narrower, destination.squeeze(dim_));
  }

 private:
  int64_t dim_;
  LazyList::value_type from_;
};

class Summed : public LazyTensor {
 public:
  explicit Summed(LazyList list) : LazyTensor(list.front()->shape()), list_(std::move(list)) {
    for (const auto& one : list_) {
      if (one->shape() == shape()) continue;
      misfit(text_of(one->shape()) + " cannot be added to " + text_of(shape()));
    }
  }
  void read(const Box& box, const at::Tensor& destination) const override {
    const auto type = at::isReducedFloatingType(destination.scalar_type())
                          ? at::kFloat
                          : destination.scalar_type();
    const at::Tensor sum = at::zeros(box.length, type), term = at::empty(box.length, type);
    for (const auto& one : list_) {
      one->read(box, term);
      sum.add_(term);
    }
    destination.copy_(sum);
  }

 private:
  LazyList list_;
};

LazyList::value_type one_step(const LoadEntry::Step& step, const LazyList::value_type& from) {
  switch (step.kind) {
    case Kind::kSlice:
      return std::make_shared<Sliced>(step, from);
    case Kind::kSelect:
      return std::make_shared<Selected>(step, from);
    case Kind::kReshape:
      return std::make_shared<Reshaped>(step, from);
    default:
      return std::make_shared<Permuted>(order_of(step, from->shape()), from);
  }
}

}  // namespace

LazyList::value_type lazy_source(const TensorFile& file, const TensorInfo& info) {
  return std::make_shared<Source>(file, info);
}

LazyList lazy_step(const LoadEntry::Step& step, const LazyList& list) {
  if (list.empty()) misfit("a step has nothing to work on");
  if (step.kind == Kind::kConcat) return {std::make_shared<Joined>(step.dim, list)};
  if (step.kind == Kind::kAdd) return {std::make_shared<Summed>(list)};
  LazyList next;
  if (step.kind == Kind::kStack) {
    for (const auto& one : list) next.push_back(std::make_shared<Unsqueezed>(step.dim, one));
    return {std::make_shared<Joined>(step.dim, std::move(next))};
  }
  for (const auto& one : list) next.push_back(one_step(step, one));
  return next;
}

}  // namespace torchsight
