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
  if (!x.defined()) return x;
  return x.requires_grad() ? x.detach().requires_grad_(true) : x.clone();
}

std::vector<at::Tensor> starts_of(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> starts;
  for (const at::Tensor& input : inputs) starts.push_back(start_of(input));
  return starts;
}

at::DeviceType device_of(const std::vector<at::Tensor>& inputs) {
  return inputs.front().device().type();
}

class Recompute final : public torch::autograd::Node {
 public:
  Recompute(const std::vector<at::Tensor>& inputs, JointLayer layer)
      : layer_(std::move(layer)),
        device_(device_of(inputs)),
        autocast_(Autocast::current(device_)) {
    for (const at::Tensor& input : inputs) inputs_.emplace_back(input, /*is_output=*/false);
    set_next_edges(torch::autograd::collect_next_edges(inputs));
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    const at::AutoGradMode enabled(true);
    std::vector<at::Tensor> starts;
    for (const auto& input : inputs_) starts.push_back(start_of(input.unpack()));
    at::Tensor y;
    {
      const Autocast autocast(device_, autocast_);
      y = layer_(starts);
    }
    torch::autograd::backward({y}, {gradients.front()});
    torch::autograd::variable_list own;
    for (const at::Tensor& start : starts) {
      own.push_back(start.defined() ? start.grad() : at::Tensor());
    }
    return own;
  }

  void release_variables() override {
    for (auto& input : inputs_) input.reset_data();
  }

 private:
  std::vector<torch::autograd::SavedVariable> inputs_;
  JointLayer layer_;
  at::DeviceType device_;
  std::optional<at::ScalarType> autocast_;
};

}  // namespace

at::Tensor recomputed(at::Tensor x, const Layer& first, Layer again) {
  if (!at::GradMode::is_enabled()) return first(std::move(x));
  const auto joint = [](Layer layer) {
    return
        [layer = std::move(layer)](const std::vector<at::Tensor>& in) { return layer(in.front()); };
  };
  return recomputed(std::vector<at::Tensor>{std::move(x)}, joint(first), joint(std::move(again)));
}

at::Tensor recomputed(std::vector<at::Tensor> inputs, const JointLayer& first, JointLayer again) {
  if (!at::GradMode::is_enabled()) return first(inputs);
  // With gradients enabled the kernels are those of the second time. The record of one layer is
  // let go of before the next one's begins.
  const at::Tensor y = first(starts_of(inputs));
  if (!y.requires_grad()) return y;
  at::Tensor result = y.detach();
  torch::autograd::create_gradient_edge(result,
                                        c10::make_intrusive<Recompute>(inputs, std::move(again)));
  return result;
}

}  // namespace torchsight
