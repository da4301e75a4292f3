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

class Source : public LazyTensor {
 public:
  Source(const TensorFile& file, const TensorInfo& info)
      : LazyTensor(info.shape), file_(file), info_(info) {}
  at::ScalarType dtype() const override { return scalar_type_in(file_, info_); }
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
    int64_t& size = shape[lazy_dim_of(step.dim, shape)];
    if (step.begin < 0 || step.end > size || step.begin > step.end) {
      lazy_misfit(std::string("[") + std::to_string(step.begin) + ", " + std::to_string(step.end) +
                  ") is not within dimension " + std::to_string(step.dim) + " of " +
                  lazy_text_of(shape));
    }
    size = step.end - step.begin;
    return shape;
  }
  Sliced(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), step_(step), from_(std::move(from)) {}
  at::ScalarType dtype() const override { return from_->dtype(); }
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
    const int64_t size = shape[lazy_dim_of(step.dim, shape)];
    if (step.begin < 0 || step.begin >= size) {
      lazy_misfit("there is no entry " + std::to_string(step.begin) + " in dimension " +
                  std::to_string(step.dim) + " of " + lazy_text_of(shape));
    }
    shape.erase(shape.begin() + step.dim);
    return shape;
  }
  Selected(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), step_(step), from_(std::move(from)) {}
  at::ScalarType dtype() const override { return from_->dtype(); }
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
  at::ScalarType dtype() const override { return from_->dtype(); }
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
    std::swap(order[lazy_dim_of(step.dim, shape)], order[lazy_dim_of(step.begin, shape)]);
    return order;
  }
  if (!std::is_permutation(order.begin(), order.end(), step.shape.begin(), step.shape.end())) {
    lazy_misfit(lazy_text_of(step.shape) + " is no order of the dimensions of " +
                lazy_text_of(shape));
  }
  return step.shape;
}

class Reshaped : public LazyTensor {
 public:
  static Sizes shape_of(const LoadEntry::Step& step, const Sizes& shape) {
    int64_t wanted = 1;
    for (const int64_t size : step.shape) {
      const bool fits = size >= 0 && (size == 0 || wanted <= INT64_MAX / size);
      if (!fits) lazy_misfit(lazy_text_of(step.shape) + " is no shape");
      wanted *= size;
    }
    if (wanted != Box::whole(shape).elements()) {
      lazy_misfit(lazy_text_of(shape) + " cannot take the shape " + lazy_text_of(step.shape));
    }
    return step.shape;
  }
  Reshaped(const LoadEntry::Step& step, LazyList::value_type from)
      : LazyTensor(shape_of(step, from->shape())), from_(std::move(from)) {}
  at::ScalarType dtype() const override { return from_->dtype(); }
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
  if (list.empty()) lazy_misfit("a step has nothing to work on");
  if (step.kind == Kind::kConcat || step.kind == Kind::kStack || step.kind == Kind::kAdd) {
    return {lazy_join(step, list)};
  }
  LazyList next;
  for (const auto& one : list) next.push_back(one_step(step, one));
  return next;
}

}  // namespace torchsight
