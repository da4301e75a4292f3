#include "training/objective.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "runtime/error.h"

namespace torchsight {
namespace {

class GivenLoss final : public Objective {
 public:
  using Objective::Objective;

  std::vector<TensorSpec> inputs() const override { return schema().inputs; }

  Losses operator()(Call&, JobContext&) override {
    throw Error(ErrorCode::kUnsupported,
                "expected the methods forward, backward and update for a loss that is computed "
                "elsewhere");
  }
};

}  // namespace

NamedTensors Objective::outputs(const Call& call, JobContext& context) {
  Call own = call;
  own.inputs.clear();
  for (const TensorSpec& spec : schema().inputs) {
    const at::Tensor* tensor = find_tensor(call.inputs, spec.name);
    if (tensor) own.inputs.emplace_back(spec.name, *tensor);
  }
  return module_.run(method_, own, context);
}

Losses with_telemetry(const at::Tensor& total, const NamedTensors& outputs) {
  Losses losses{total, {{"loss", total.detach()}}, {}};
  if (const at::Tensor* entropy = find_tensor(outputs, "attention_entropy")) {
    losses.parts.emplace_back("attention_entropy", entropy->detach());
  }
  if (const at::Tensor* logit = find_tensor(outputs, "max_attention_logit")) {
    losses.largest.emplace_back("max_attention_logit", logit->detach());
  }
  return losses;
}

void add_losses(NamedTensors& sums, const Losses& losses, double share) {
  const auto place_of = [&](const std::string& name) {
    return std::find_if(sums.begin(), sums.end(),
                        [&](const NamedTensor& sum) { return sum.first == name; });
  };
  for (const auto& [name, value] : losses.parts) {
    const at::Tensor own = value.to(at::kDouble) * share;
    const auto place = place_of(name);
    if (place == sums.end()) {
      sums.emplace_back(name, own);
    } else {
      place->second.add_(own);
    }
  }
  for (const auto& [name, value] : losses.largest) {
    const auto place = place_of(name);
    if (place == sums.end()) {
      sums.emplace_back(name, value.to(at::kDouble));
    } else {
      place->second = at::maximum(place->second, value.to(at::kDouble));
    }
  }
}

std::unique_ptr<Objective> given_loss(Module& module, std::string method) {
  const ModuleOptions& options = module.options();
  if (options.group || options.replicas) {
    throw Error(ErrorCode::kUnsupported,
                "expected a model in one piece for a loss of one's own but received a sharded one");
  }
  return std::make_unique<GivenLoss>(module, std::move(method));
}

std::unique_ptr<Objective> objective_of_classifier(Module& module, const Json& options,
                                                   const char* loss) {
  const std::string kind = options.get("loss", loss), method = options.get("method", "classify");
  module.schema_of(method);
  if (kind == "given") return given_loss(module, method);
  if (method != "classify") {
    throw Error(ErrorCode::kBadConfig,
                "expected classify for method, but for losses of one's own, but received \"" +
                    method + "\"");
  }
  if (kind == "distillation") return distillation(module, method, options);
  return classification(module, method, kind);
}

}  // namespace torchsight
