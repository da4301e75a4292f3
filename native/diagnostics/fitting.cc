#include "diagnostics/fitting.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight {
namespace {

class Fitting final : public Objective {
 public:
  using Objective::Objective;

  std::vector<TensorSpec> inputs() const override {
    std::vector<TensorSpec> inputs = schema().inputs;
    inputs.push_back({.name = "target", .dtypes = {at::kFloat}, .shape = {"N"}});
    return inputs;
  }

  Losses operator()(Call& call, JobContext& context) override {
    const NamedTensors told = outputs(call, context);
    const at::Tensor& y_N = told.front().second;
    const at::Tensor& target_N = call.input("target");
    if (target_N.sizes() != y_N.sizes()) {
      throw Error(ErrorCode::kShape, "expected as many numbers for target as for x");
    }
    const at::Tensor loss = at::mse_loss(y_N, target_N);
    return {loss, {{"loss", loss.detach()}}, {}};
  }
};

}  // namespace

std::unique_ptr<Objective> fitting(Module& module) {
  return std::make_unique<Fitting>(module, "scale");
}

}  // namespace torchsight
