#include <ATen/ATen.h>

#include <cmath>
#include <optional>
#include <utility>

#include "runtime/config_reader.h"
#include "runtime/error.h"
#include "training/optimizer.h"

namespace torchsight {
namespace {

// Second moments of one weight: of each row and column where it is factored, else of each entry.
struct Moments {
  std::optional<std::pair<int64_t, int64_t>> factored;  // the second largest dimension, the largest
  at::Tensor rows, columns, entries, momentum;
};

class Adafactor final : public Optimizer {
 public:
  Adafactor(const Json& json, const std::vector<Weight>& weights, std::shared_ptr<Group> parts)
      : parts_(std::move(parts)) {
    const ConfigReader reader(json, "optimizer.");
    momentum_ = reader.non_negative("momentum", 1, 0.9);
    exponent_ = reader.positive("decay_exponent", 10, 0.8);
    cap_ = reader.positive("beta2_cap", 1, 0.999);
    least_ = reader.size("min_dim_to_factor", 1 << 30, 32);
    threshold_ = reader.non_negative("clip_threshold", 1e6, 0);
    eps_ = reader.positive("eps", 1, 1e-30);
    for (const Weight& weight : weights) {
      if (weight.cut && weight.cut->copy) {
        throw Error(
            ErrorCode::kUnsupported,
            "expected each part of a weight on one rank for adafactor but received " + weight.name);
      }
      moments_.push_back(moments_of(weight));
    }
  }

  void step(const std::vector<Weight>& weights, const std::vector<at::Tensor>& gradients,
            double rate, int64_t step) override {
    const double beta2 = std::min(cap_, 1 - std::pow(static_cast<double>(step + 1), -exponent_));
    for (size_t i = 0; i < weights.size(); ++i) {
      const double own = rate * weights[i].rate;
      at::Tensor update = scaled(weights[i], moments_[i], gradients[i], beta2);
      if (threshold_ > 0) {
        const at::Tensor size = mean(weights[i], update.square()).sqrt();
        update.div_(at::clamp_min(size / threshold_, 1));
      }
      if (at::Tensor& momentum = moments_[i].momentum; momentum.defined()) {
        // optax decays in bfloat16, the factor included.
        update.mul_(1 - momentum_).add_(momentum * at::scalar_tensor(momentum_, at::kBFloat16));
        momentum.copy_(update);
      }
      at::Tensor value = weights[i].value;
      value.mul_(1 - own * weights[i].decay).add_(update, -own);
    }
  }

  NamedTensors state(size_t index) const override {
    const Moments& own = moments_[index];
    NamedTensors state;
    for (const auto& [name, tensor] : {std::pair{"v_row", own.rows},
                                       {"v_col", own.columns},
                                       {"v", own.entries},
                                       {"momentum", own.momentum}}) {
      if (tensor.defined()) state.emplace_back(name, tensor);
    }
    return state;
  }

 private:
  // By the sizes of the full weight, so that all ranks factor alike.
  Moments moments_of(const Weight& weight) const {
    Moments own;
    const at::Tensor& value = weight.value;
    const std::vector<int64_t> sizes = weight.full_sizes();
    const auto memory = value.options();
    if (momentum_ > 0) own.momentum = at::zeros(value.sizes(), memory.dtype(at::kBFloat16));
    if (value.dim() >= 2) {
      std::vector<int64_t> order(value.dim());
      for (int64_t d = 0; d < value.dim(); ++d) order[d] = d;
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t a, int64_t b) { return sizes[a] < sizes[b]; });
      const int64_t second = order[order.size() - 2], largest = order.back();
      if (sizes[second] >= least_) own.factored = {second, largest};
    }
    if (own.factored) {
      own.rows = at::zeros_like(value).sum(own.factored->second);
      own.columns = at::zeros_like(value).sum(own.factored->first);
    } else {
      own.entries = at::zeros_like(value);
    }
    return own;
  }

  bool cut_along(const Weight& weight, int64_t dim) const {
    return parts_ && weight.cut && weight.cut->dim == dim;
  }

  // The mean along `axis`, which is dimension `dim` of the weight.
  at::Tensor mean(const Weight& weight, const at::Tensor& values, int64_t axis, int64_t dim,
                  bool keepdim = false) const {
    if (!cut_along(weight, dim)) return values.mean(axis, keepdim);
    at::Tensor sum = values.sum(axis, keepdim);
    parts_->all_reduce(sum);
    return sum.div_(weight.full_shape[dim]);
  }

  // The mean of all entries of the full weight.
  at::Tensor mean(const Weight& weight, const at::Tensor& values) const {
    at::Tensor mean = values.mean();
    if (!parts_ || !weight.cut) return mean;
    parts_->all_reduce(mean);
    return mean.div_(parts_->size());
  }

  // The gradient over the root of its second moment.
  at::Tensor scaled(const Weight& weight, Moments& own, const at::Tensor& gradient,
                    double beta2) const {
    const at::Tensor square = gradient.square().add_(eps_);
    if (!own.factored) {
      own.entries.mul_(beta2).add_(square, 1 - beta2);
      return gradient * own.entries.rsqrt();
    }
    const auto [second, largest] = *own.factored;
    own.rows.mul_(beta2).add_(mean(weight, square, largest, largest), 1 - beta2);
    own.columns.mul_(beta2).add_(mean(weight, square, second, second), 1 - beta2);
    const int64_t axis = second > largest ? second - 1 : second;  // of `second` within `rows`
    const at::Tensor by_row =
        (own.rows / mean(weight, own.rows, axis, second, /*keepdim=*/true)).rsqrt();
    const at::Tensor by_column = own.columns.rsqrt();
    return gradient * by_row.unsqueeze(largest) * by_column.unsqueeze(second);
  }

  std::shared_ptr<Group> parts_;
  double momentum_, exponent_, cap_, threshold_, eps_;
  int64_t least_;
  std::vector<Moments> moments_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const Json& json, const std::vector<Weight>& weights,
                                          std::shared_ptr<Group> parts) {
  return std::make_unique<Adafactor>(json, weights, std::move(parts));
}

}  // namespace torchsight
