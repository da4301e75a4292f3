#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>

#include "runtime/config_reader.h"
#include "runtime/error.h"
#include "training/cross_entropy.h"
#include "training/objective.h"

namespace torchsight {
namespace {

constexpr const char* kTeacher = "teacher_logits";
constexpr double kHottest = 1e3;

class Distillation final : public Objective {
 public:
  Distillation(Module& module, std::string method, double temperature, double alpha)
      : Objective(module, std::move(method)), temperature_(temperature), alpha_(alpha) {}

  std::vector<TensorSpec> inputs() const override {
    std::vector<TensorSpec> inputs{
        schema().inputs.front(),
        {kTeacher, {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}, {"B", "K"}, false, 0}};
    if (alpha_ < 1) inputs.push_back({kLabels, {at::kFloat, at::kLong}, {"..."}, false, 0});
    return inputs;
  }

  Losses operator()(Call& call, JobContext& context) override {
    const NamedTensors outputs = this->outputs(call, context);
    const at::Tensor student_BK = find_tensor(outputs, "logits")->to(at::kFloat);
    const at::Tensor teacher_BK = call.input(kTeacher).detach().to(student_BK.options());
    if (teacher_BK.sizes() != student_BK.sizes()) {
      throw Error(ErrorCode::kShape, "expected logits of shape " + c10::str(student_BK.sizes()) +
                                         " for teacher_logits but received shape " +
                                         c10::str(teacher_BK.sizes()));
    }
    // The gradients of softened labels are smaller by T^2: section 2 of the paper.
    const at::Tensor divergence =
        at::kl_div(at::log_softmax(student_BK / temperature_, -1),
                   at::log_softmax(teacher_BK / temperature_, -1), at::Reduction::Sum,
                   /*log_target=*/true) *
        (temperature_ * temperature_ / static_cast<double>(student_BK.size(0)));
    if (alpha_ == 1) return told(divergence, divergence, {}, outputs);
    const at::Tensor of_labels = softmax_cross_entropy(student_BK, call.input(kLabels));
    return told(divergence * alpha_ + of_labels * (1 - alpha_), divergence, of_labels, outputs);
  }

 private:
  static Losses told(const at::Tensor& total, const at::Tensor& divergence,
                     const at::Tensor& of_labels, const NamedTensors& outputs) {
    Losses losses = with_telemetry(total, outputs);
    losses.parts.emplace_back("divergence", divergence.detach());
    if (of_labels.defined()) losses.parts.emplace_back("cross_entropy", of_labels.detach());
    return losses;
  }

  double temperature_, alpha_;
};

}  // namespace

std::unique_ptr<Objective> distillation(Module& module, std::string method, const Json& options) {
  const ConfigReader reader = ConfigReader(options).section("distillation");
  return std::make_unique<Distillation>(module, std::move(method),
                                        reader.positive("temperature", kHottest, 1),
                                        reader.non_negative("alpha", 1, 1));
}

}  // namespace torchsight
