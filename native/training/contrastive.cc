#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>

#include "runtime/config_reader.h"
#include "runtime/error.h"
#include "training/objective.h"

namespace torchsight {
namespace {

class Contrastive final : public Objective {
 public:
  Contrastive(Module& module, bool softmax) : Objective(module, "similarity"), softmax_(softmax) {}

  std::vector<TensorSpec> inputs() const override { return schema().inputs; }
  bool separable() const override { return false; }

  Losses operator()(Call& call, JobContext& context) override {
    const NamedTensors outputs = this->outputs(call, context);
    const at::Tensor logits_BB = find_tensor(outputs, "logits_per_image")->to(at::kFloat);
    const int64_t batch = logits_BB.size(0);
    if (logits_BB.size(1) != batch) {
      throw Error(ErrorCode::kShape, "expected one text for each picture but received " +
                                         std::to_string(batch) + " pictures and " +
                                         std::to_string(logits_BB.size(1)) + " texts");
    }
    return with_telemetry(softmax_ ? softmax(logits_BB) : sigmoid(logits_BB), outputs);
  }

 private:
  static at::Tensor sigmoid(const at::Tensor& logits_BB) {
    const int64_t batch = logits_BB.size(0);
    const at::Tensor signs_BB = at::eye(batch, logits_BB.options()) * 2 - 1;
    return -at::log_sigmoid(logits_BB * signs_BB).sum() / batch;
  }

  static at::Tensor softmax(const at::Tensor& logits_BB) {
    const at::Tensor own_B = at::arange(logits_BB.size(0), logits_BB.options().dtype(at::kLong));
    return (at::cross_entropy_loss(logits_BB, own_B) +
            at::cross_entropy_loss(logits_BB.t(), own_B)) /
           2;
  }

  bool softmax_;
};

}  // namespace

std::unique_ptr<Objective> contrastive(Module& module, const std::string& loss) {
  if (loss != "sigmoid" && loss != "softmax") {
    throw Error(ErrorCode::kBadConfig,
                "expected one of sigmoid, softmax for loss but received \"" + loss + "\"");
  }
  return std::make_unique<Contrastive>(module, loss == "softmax");
}

}  // namespace torchsight
