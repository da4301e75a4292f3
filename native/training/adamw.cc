#include <ATen/ATen.h>

#include "runtime/config_reader.h"
#include "training/fused_groups.h"
#include "training/optimizer.h"

namespace torchsight {
namespace {

class AdamW final : public Optimizer {
 public:
  AdamW(const Json& json, const std::vector<Weight>& weights) {
    const ConfigReader reader(json, "optimizer.");
    beta1_ = reader.non_negative("beta1", 1, 0.9);
    beta2_ = reader.non_negative("beta2", 1, 0.999);
    eps_ = reader.positive("eps", 1, 1e-8);
    for (const Weight& weight : weights) {
      values_.push_back(weight.value);
      means_.push_back(at::zeros_like(weight.value));
      squares_.push_back(at::zeros_like(weight.value));
    }
    groups_ = fused_groups(weights);
  }

  void step(const std::vector<Weight>&, const std::vector<at::Tensor>& gradients, double rate,
            int64_t step) override {
    const at::Tensor count = at::scalar_tensor(static_cast<double>(step + 1), at::kFloat);
    for (const auto& [factors, indices] : groups_) {
      const auto& [factor, decay] = factors;
      const std::vector<at::Tensor> counts(indices.size(), count);
      at::_fused_adamw_(chosen(values_, indices), chosen(gradients, indices),
                        chosen(means_, indices), chosen(squares_, indices), {}, counts,
                        rate * factor, beta1_, beta2_, decay, eps_, /*amsgrad=*/false,
                        /*maximize=*/false);
    }
  }

  NamedTensors state(size_t index) const override {
    return {{"exp_avg", means_[index]}, {"exp_avg_sq", squares_[index]}};
  }

 private:
  double beta1_, beta2_, eps_;
  std::vector<at::Tensor> values_, means_, squares_;
  std::map<std::pair<double, double>, std::vector<size_t>> groups_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const Json& json, const std::vector<Weight>& weights) {
  return std::make_unique<AdamW>(json, weights);
}

}  // namespace torchsight
