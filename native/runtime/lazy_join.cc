// The steps of load plans that make one tensor of many.
#include <ATen/ATen.h>

#include <utility>

#include "runtime/error.h"
#include "runtime/lazy_tensor.h"

namespace torchsight {
namespace {

using Kind = LoadEntry::Step::Kind;
using Sizes = std::vector<int64_t>;

at::ScalarType dtype_of(const LazyList& list) {
  at::ScalarType dtype = list.front()->dtype();
  for (const auto& one : list) dtype = at::promote_types(dtype, one->dtype());
  return dtype;
}

class Joined : public LazyTensor {
 public:
  static Sizes shape_of(int64_t dim, const LazyList& list) {
    Sizes joined = list.front()->shape();
    joined[lazy_dim_of(dim, joined)] = 0;
    for (const auto& one : list) {
      Sizes shape = one->shape();
      if (shape.size() == joined.size()) joined[dim] += std::exchange(shape[dim], joined[dim]);
      if (shape.size() != joined.size()) lazy_misfit("tensors of unequal rank cannot be joined");
      for (size_t i = 0; i < shape.size(); ++i) {
        if (static_cast<int64_t>(i) != dim && shape[i] != joined[i]) {
          lazy_misfit(lazy_text_of(one->shape()) + " cannot be joined to " +
                      lazy_text_of(list.front()->shape()) + " along dimension " +
                      std::to_string(dim));
        }
      }
    }
    return joined;
  }
  Joined(int64_t dim, LazyList list)
      : LazyTensor(shape_of(dim, list)), dim_(dim), list_(std::move(list)) {}
  at::ScalarType dtype() const override { return dtype_of(list_); }
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
      lazy_misfit("nothing can be stacked along dimension " + std::to_string(dim) + " of " +
                  lazy_text_of(shape));
    }
    shape.insert(shape.begin() + dim, 1);
    return shape;
  }
  Unsqueezed(int64_t dim, LazyList::value_type from)
      : LazyTensor(shape_of(dim, from->shape())), dim_(dim), from_(std::move(from)) {}
  at::ScalarType dtype() const override { return from_->dtype(); }
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
      lazy_misfit(lazy_text_of(one->shape()) + " cannot be added to " + lazy_text_of(shape()));
    }
  }
  at::ScalarType dtype() const override { return dtype_of(list_); }
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

}  // namespace

LazyList::value_type lazy_join(const LoadEntry::Step& step, const LazyList& list) {
  if (step.kind == Kind::kAdd) return std::make_shared<Summed>(list);
  if (step.kind == Kind::kConcat) return std::make_shared<Joined>(step.dim, list);
  LazyList wider;
  for (const auto& one : list) wider.push_back(std::make_shared<Unsqueezed>(step.dim, one));
  return std::make_shared<Joined>(step.dim, std::move(wider));
}

void lazy_misfit(const std::string& why) {
  throw Error(ErrorCode::kBadCheckpoint, why, "PLAN_STEP");
}

std::string lazy_text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

int64_t lazy_dim_of(int64_t dim, const std::vector<int64_t>& shape) {
  if (dim >= 0 && dim < static_cast<int64_t>(shape.size())) return dim;
  lazy_misfit("there is no dimension " + std::to_string(dim) + " in " + lazy_text_of(shape));
}

}  // namespace torchsight
