#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>

#include "runtime/error.h"
#include "training/objective.h"

namespace torchsight {
namespace {

constexpr const char* kLabels = "labels";

class Classification final : public Objective {
 public:
  Classification(Module& module, std::string method, bool softmax)
      : module_(module), method_(std::move(method)), softmax_(softmax) {}

  std::vector<TensorSpec> inputs() const override {
    TensorSpec labels{kLabels, {at::kFloat, at::kLong}, {"..."}, false, 0};
    if (!softmax_) labels = {kLabels, {at::kFloat}, {"B", "K"}, false, 0};
    return {module_.schema_of(method_).inputs.front(), std::move(labels)};
  }

  Losses operator()(Call& call, JobContext& context) override {
    const at::Tensor labels = call.input(kLabels);
    std::erase_if(call.inputs, [](const NamedTensor& input) { return input.first == kLabels; });
    const NamedTensors outputs = module_.run(method_, call, context);
    const at::Tensor logits_BK = find_tensor(outputs, "logits")->to(at::kFloat);
    const at::Tensor loss = softmax_ ? softmax(logits_BK, labels) : sigmoid(logits_BK, labels);
    return {loss, {{"loss", loss.detach()}}};
  }

 private:
  static at::Tensor sigmoid(const at::Tensor& logits_BK, const at::Tensor& labels_BK) {
    if (labels_BK.sizes() != logits_BK.sizes()) refuse(logits_BK, labels_BK);
    return at::binary_cross_entropy_with_logits(logits_BK, labels_BK).mul(logits_BK.size(1));
  }

  static at::Tensor softmax(const at::Tensor& logits_BK, const at::Tensor& labels) {
    const bool indices = labels.scalar_type() == at::kLong;
    if (labels.dim() != (indices ? 1 : 2) || labels.size(0) != logits_BK.size(0) ||
        (!indices && labels.size(1) != logits_BK.size(1))) {
      refuse(logits_BK, labels);
    }
    return at::cross_entropy_loss(logits_BK, labels);
  }

  [[noreturn]] static void refuse(const at::Tensor& logits_BK, const at::Tensor& labels) {
    throw Error(ErrorCode::kShape, "expected labels that fit logits of shape " +
                                       c10::str(logits_BK.sizes()) + " but received shape " +
                                       c10::str(labels.sizes()));
  }

  Module& module_;
  std::string method_;
  bool softmax_;
};

}  // namespace

std::unique_ptr<Objective> classification(Module& module, std::string method,
                                          const std::string& loss) {
  if (loss != "sigmoid" && loss != "softmax") {
    throw Error(ErrorCode::kBadConfig,
                "expected one of sigmoid, softmax for loss but received \"" + loss + "\"");
  }
  return std::make_unique<Classification>(module, std::move(method), loss == "softmax");
}

}  // namespace torchsight
