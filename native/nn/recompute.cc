#include "nn/recompute.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include "runtime/autocast.h"

namespace torchsight {
namespace {

// A leaf of the layer's own record. Layers may write into inputs that need no gradient.
at::Tensor start_of(const at::Tensor& x) {
  return x.requires_grad() ? x.detach().requires_grad_(true) : x.clone();
}

class Recompute final : public torch::autograd::Node {
 public:
  Recompute(const at::Tensor& x, Layer layer)
      : x_(x, /*is_output=*/false),
        layer_(std::move(layer)),
        device_(x.device().type()),
        autocast_(Autocast::current(device_)) {
    set_next_edges(torch::autograd::collect_next_edges(x));
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    const at::AutoGradMode enabled(true);
    const at::Tensor x = start_of(x_.unpack());
    at::Tensor y;
    {
      const Autocast autocast(device_, autocast_);
      y = layer_(x);
    }
    torch::autograd::backward({y}, {gradients.front()});
    return {x.grad()};
  }

  void release_variables() override { x_.reset_data(); }

 private:
  torch::autograd::SavedVariable x_;
  Layer layer_;
  at::DeviceType device_;
  std::optional<at::ScalarType> autocast_;
};

}  // namespace

at::Tensor recomputed(at::Tensor x, const Layer& first, Layer again) {
  if (!at::GradMode::is_enabled()) return first(std::move(x));
  // With gradients enabled the kernels are those of the second time. The record of one layer is
  // let go of before the next one's begins.
  const at::Tensor y = first(start_of(x));
  if (!y.requires_grad()) return y;
  at::Tensor result = y.detach();
  torch::autograd::create_gradient_edge(result,
                                        c10::make_intrusive<Recompute>(x, std::move(again)));
  return result;
}

}  // namespace torchsight
