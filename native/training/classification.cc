#include <ATen/ATen.h>

#include "runtime/error.h"
#include "training/cross_entropy.h"
#include "training/objective.h"

namespace torchsight {
namespace {

class Classification final : public Objective {
 public:
  Classification(Module& module, std::string method, bool softmax)
      : Objective(module, std::move(method)), softmax_(softmax) {}

  std::vector<TensorSpec> inputs() const override {
    TensorSpec labels{kLabels, {at::kFloat, at::kLong}, {"..."}, false, 0};
    if (!softmax_) labels = {kLabels, {at::kFloat}, {"B", "K"}, false, 0};
    return {schema().inputs.front(), std::move(labels)};
  }

  Losses operator()(Call& call, JobContext& context) override {
    const NamedTensors outputs = this->outputs(call, context);
    const at::Tensor& logits = *find_tensor(outputs, "logits");
    const at::Tensor logits_BK = logits.to(at::promote_types(logits.scalar_type(), at::kFloat));
    at::Tensor labels = call.input(kLabels);
    if (labels.is_floating_point()) labels = labels.to(logits_BK.scalar_type());
    return with_telemetry(softmax_ ? softmax_cross_entropy(logits_BK, labels)
                                   : sigmoid_cross_entropy(logits_BK, labels),
                          outputs);
  }

 private:
  bool softmax_;
};

}  // namespace

std::unique_ptr<Objective> classification(Module& module, std::string method,
                                          const std::string& loss) {
  if (loss != "sigmoid" && loss != "softmax") {
    throw Error(
        ErrorCode::kBadConfig,
        "expected one of sigmoid, softmax, distillation for loss but received \"" + loss + "\"");
  }
  return std::make_unique<Classification>(module, std::move(method), loss == "softmax");
}

}  // namespace torchsight
