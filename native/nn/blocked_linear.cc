#include "nn/blocked_linear.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace torchsight::blocked {
namespace {

using Operator = std::optional<c10::OperatorHandle>;

Operator find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

// Boxed, because the operators' C++ signatures are libtorch's own matter.
template <typename... Values>
at::Tensor call(const c10::OperatorHandle& op, Values&&... values) {
  torch::jit::Stack stack{c10::IValue(std::forward<Values>(values))...};
  op.callBoxed(stack);
  return stack.front().toTensor();
}

const Operator& pack_operator() {
  static const Operator op = find("mkldnn::_reorder_linear_weight");
  return op;
}

const Operator& linear_operator() {
  static const Operator op = find("mkldnn::_linear_pointwise");
  return op;
}

const Operator& add_operator() {
  static const Operator op = find("mkldnn::_linear_pointwise", "binary");
  return op;
}

c10::IValue optional(const at::Tensor& tensor) {
  return tensor.defined() ? c10::IValue(tensor) : c10::IValue();
}

}  // namespace

bool available() {
  return at::Context::hasMKLDNN() && at::globalContext().userEnabledMkldnn() && pack_operator() &&
         linear_operator() && add_operator();
}

at::Tensor pack(const at::Tensor& weight_OI, int64_t rows) {
  return call(*pack_operator(), weight_OI, rows);
}

at::Tensor linear(const at::Tensor& x_RI, const at::Tensor& packed, const at::Tensor& bias_O,
                  Activation activation) {
  if (activation == Activation::kQuickGelu) {
    // oneDNN has no such activation: it follows in a pass of its own.
    at::Tensor y_RO = linear(x_RI, packed, bias_O, Activation::kNone);
    activate_(y_RO, {}, activation);
    return y_RO;
  }
  c10::IValue algorithm;
  if (activation == Activation::kGeluTanh) algorithm = "tanh";
  if (activation == Activation::kGelu) algorithm = "none";
  return call(*linear_operator(), x_RI, packed, optional(bias_O),
              activation == Activation::kNone ? "none" : "gelu",
              c10::List<std::optional<at::Scalar>>(), algorithm);
}

at::Tensor linear_add(const at::Tensor& x_RI, const at::Tensor& sum_RO, const at::Tensor& packed,
                      const at::Tensor& bias_O) {
  return call(*add_operator(), x_RI, sum_RO, packed, optional(bias_O), "add");
}

}  // namespace torchsight::blocked
