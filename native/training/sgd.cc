#include <ATen/ATen.h>

#include "runtime/config_reader.h"
#include "training/fused_groups.h"
#include "training/optimizer.h"

namespace torchsight {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const Json& json, const std::vector<Weight>& weights) {
    const ConfigReader reader(json, "optimizer.");
    momentum_ = reader.non_negative("momentum", 1, 0.9);
    nesterov_ = reader.flag("nesterov", false);
    for (const Weight& weight : weights) {
      values_.push_back(weight.value);
      if (momentum_ > 0) momenta_.push_back(at::zeros_like(weight.value));
    }
    groups_ = fused_groups(weights);
  }

  void step(const std::vector<Weight>&, const std::vector<at::Tensor>& gradients, double rate,
            int64_t step) override {
    for (const auto& [factors, indices] : groups_) {
      const auto& [factor, decay] = factors;
      const auto momenta = momentum_ > 0 ? chosen(momenta_, indices) : std::vector<at::Tensor>{};
      at::_fused_sgd_(chosen(values_, indices), chosen(gradients, indices), momenta, decay,
                      momentum_, rate * factor, /*dampening=*/0, nesterov_ && momentum_ > 0,
                      /*maximize=*/false, /*is_first_step=*/step == 0);
    }
  }

  NamedTensors state(size_t index) const override {
    if (momenta_.empty()) return {};
    return {{"momentum_buffer", momenta_[index]}};
  }

 private:
  double momentum_;
  bool nesterov_;
  std::vector<at::Tensor> values_, momenta_;
  std::map<std::pair<double, double>, std::vector<size_t>> groups_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const Json& json, const std::vector<Weight>& weights) {
  return std::make_unique<Sgd>(json, weights);
}

}  // namespace torchsight
