#include "runtime/meta_kernels.h"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

namespace torchsight {
namespace {

at::Tensor& where_meta(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other,
                       at::Tensor& out) {
  const auto shape = at::infer_size(condition.sizes(), at::infer_size(self.sizes(), other.sizes()));
  at::native::resize_output(out, shape);
  return out;
}

at::Tensor where_new_meta(const at::Tensor& condition, const at::Tensor& self,
                          const at::Tensor& other) {
  const at::TensorOptions options = at::TensorOptions().device(at::kMeta);
  at::Tensor out = at::empty({0}, options.dtype(at::result_type(self, other)));
  return where_meta(condition, self, other, out);
}

at::Tensor index_select_meta(const at::Tensor& self, int64_t dim, const at::Tensor& index) {
  std::vector<int64_t> shape = self.sizes().vec();
  shape[dim < 0 ? dim + self.dim() : dim] = index.numel();
  return at::empty(shape, self.options());
}

at::Tensor flip_meta(const at::Tensor& self, at::IntArrayRef) {
  return at::empty_like(self);
}

// Else norms are taken apart into operators that have none either.
std::tuple<at::Tensor, at::Tensor, at::Tensor> group_norm_meta(
    const at::Tensor& input, const std::optional<at::Tensor>&, const std::optional<at::Tensor>&,
    c10::SymInt count, c10::SymInt, c10::SymInt, int64_t groups, double) {
  const at::Tensor statistic = at::empty_symint({std::move(count), groups}, input.options());
  return {at::empty_like(input), statistic, at::empty_like(statistic)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm_meta(const at::Tensor& input,
                                                               c10::SymIntArrayRef normed,
                                                               const std::optional<at::Tensor>&,
                                                               const std::optional<at::Tensor>&,
                                                               double) {
  std::vector<int64_t> shape = input.sizes().vec();
  std::fill(shape.end() - static_cast<int64_t>(normed.size()), shape.end(), 1);
  const at::Tensor statistic = at::empty(shape, input.options());
  return {at::empty_like(input), statistic, at::empty_like(statistic)};
}

at::Tensor convolution_meta(const at::Tensor& input, const at::Tensor& weight,
                            const std::optional<at::Tensor>&, c10::SymIntArrayRef stride,
                            c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, bool,
                            c10::SymIntArrayRef, c10::SymInt) {
  std::vector<int64_t> shape{input.size(0), weight.size(0)};
  for (int64_t i = 0; i + 2 < input.dim(); ++i) {
    const int64_t reach = dilation[i].expect_int() * (weight.size(i + 2) - 1);
    const int64_t free = input.size(i + 2) + 2 * padding[i].expect_int() - reach - 1;
    shape.push_back(free / stride[i].expect_int() + 1);
  }
  return at::empty(shape, input.options());
}

}  // namespace

void provide_meta_kernels() {
  static const torch::Library library = [] {
    torch::Library meta(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
    meta.impl("where.self_out", where_meta);
    meta.impl("where.self", where_new_meta);
    meta.impl("index_select", index_select_meta);
    meta.impl("flip", flip_meta);
    meta.impl("convolution_overrideable", convolution_meta);
    meta.impl("native_group_norm", group_norm_meta);
    meta.impl("native_layer_norm", layer_norm_meta);
    return meta;
  }();
}

}  // namespace torchsight
