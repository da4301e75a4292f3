#include "training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "runtime/config_reader.h"
#include "runtime/error.h"
#include "training/gradients.h"
#include "training/moving_average.h"
#include "training/optimizer.h"
#include "training/schedule.h"

namespace torchsight {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;
constexpr const char* kStep = "step";

struct TrainerOptions {
  Schedule schedule;
  std::vector<GroupOptions> groups;
  double clip = 0;  // 0: never
  double ema = 0;   // 0: no averages
  int64_t accumulate = 1;
  std::optional<at::ScalarType> autocast;

  static TrainerOptions from_json(const Json& json) {
    const ConfigReader reader(json);
    TrainerOptions options;
    const Json* schedule = json.find("schedule");
    const Json* groups = json.find("groups");
    options.schedule = Schedule::from_json(schedule ? *schedule : Json(Json::Object{}));
    if (groups) options.groups = groups_from_json(*groups);
    options.clip = reader.non_negative("clip", 1e12, 0);
    options.ema = reader.non_negative("ema", 1, 0);
    options.accumulate = reader.size("accumulate", kMost, 1);
    options.autocast = reader.choice<std::optional<at::ScalarType>>(
        "autocast", {{"none", std::nullopt}, {"bfloat16", at::kBFloat16}});
    return options;
  }
};

// Computes products in another dtype while it lives; the weights stay what they are.
class Autocast {
 public:
  Autocast(at::DeviceType device, std::optional<at::ScalarType> dtype)
      : device_(device), on_(dtype.has_value()) {
    if (!on_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, *dtype);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool on_;
};

// `count` parts of a batch, as even as can be.
std::vector<Call> parts_of(const Call& call, const std::vector<TensorSpec>& inputs, int64_t count) {
  std::vector<Call> parts;
  const int64_t batch = call.inputs.front().second.size(0);
  if (batch < count) {
    throw Error(ErrorCode::kShape, "expected a batch of at least " + std::to_string(count) +
                                       " (accumulate) but received " + std::to_string(batch));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = batch * i / count, end = batch * (i + 1) / count;
    Call part;
    part.options = call.options;
    for (const TensorSpec& input : inputs) {
      const at::Tensor& whole = call.input(input.name);
      part.inputs.emplace_back(input.name, whole.narrow(0, begin, end - begin));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

class Trainer final : public Session {
 public:
  Trainer(Module& module, std::unique_ptr<Objective> objective, const Json& json)
      : module_(module),
        objective_(std::move(objective)),
        options_(TrainerOptions::from_json(json)),
        weights_(weights_to_train(module, options_.groups)) {
    const Json* optimizer = json.find("optimizer");
    optimizer_ = make_optimizer(optimizer ? *optimizer : Json(Json::Object{}), weights_);
    if (options_.ema > 0) averages_.emplace(options_.ema, weights_);
  }

  ~Trainer() override {
    clear_gradients(weights_);
    for (Weight& weight : weights_) weight.leaf.requires_grad_(false);
  }

  std::vector<MethodSchema> schemas() const override {
    const std::vector<TensorSpec> losses{{"loss", {}, {}}};
    std::vector<TensorSpec> told = losses;
    for (const char* name : {"gradient_norm", "learning_rate"}) told.push_back({name, {}, {}});
    return {{kStep, "Moves the weights by one batch.", objective_->inputs(), told},
            {"evaluate", "The loss of a batch.", objective_->inputs(), losses},
            {"state", "What moves beside the weights.", {}, {}},
            {"exchange", "Weights against their moving averages, and back.", {}, {}}};
  }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    if (method == kStep) return step(call, context);
    const at::NoGradGuard no_grad;
    if (method == "evaluate") return losses(call, context).parts;
    if (method == "state") return snapshot();
    if (method == "exchange") return exchange();
    throw Error(ErrorCode::kNotFound,
                "expected step, evaluate, state or exchange but received \"" + method + "\"");
  }

  NamedTensors snapshot() const override {
    NamedTensors state{{kStep, at::scalar_tensor(step_, at::kLong)}};
    for (const auto& [name, tensor] : memory()) state.emplace_back(name, tensor.clone());
    return state;
  }

  void restore(const NamedTensors& state) override {
    const at::NoGradGuard no_grad;
    NamedTensors own = memory();
    const at::Tensor* step = find_tensor(state, kStep);
    if (!step || step->numel() != 1 || state.size() != own.size() + 1) refuse("as many tensors");
    for (auto& [name, tensor] : own) {
      const at::Tensor* saved = find_tensor(state, name);
      if (!saved || saved->sizes() != tensor.sizes()) refuse(name);
    }
    for (auto& [name, tensor] : own) tensor.copy_(*find_tensor(state, name));
    step_ = step->item<int64_t>();
  }

 private:
  [[noreturn]] static void refuse(const std::string& what) {
    throw Error(ErrorCode::kBadInput,
                "expected the state of a trainer of this model with these options, but it differs "
                "in " +
                    what);
  }

  // Everything that moves but the weights and the number of the step.
  NamedTensors memory() const {
    NamedTensors all;
    for (size_t i = 0; i < weights_.size(); ++i) {
      for (auto& [name, tensor] : optimizer_->state(i)) {
        all.emplace_back("optimizer." + weights_[i].name + "." + name, tensor);
      }
      if (averages_) all.emplace_back("ema." + weights_[i].name, averages_->averages()[i]);
    }
    return all;
  }

  Losses losses(Call& call, JobContext& context) {
    const Autocast autocast(weights_.front().value.device().type(), options_.autocast);
    return (*objective_)(call, context);
  }

  NamedTensors step(Call& call, JobContext& context) {
    clear_gradients(weights_);
    NamedTensors told = backward(call, context);
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients;
    for (const Weight& weight : weights_) gradients.push_back(weight.gradient());
    const double norm = global_norm(gradients);
    check_finite(told.front().second.item<double>(), norm, weights_, gradients, step_);
    if (options_.clip > 0) clip_gradients(gradients, norm, options_.clip);
    const double rate = options_.schedule.at(step_);
    optimizer_->step(weights_, gradients, rate, step_);
    if (averages_) averages_->update(weights_, step_);
    clear_gradients(weights_);
    ++step_;
    told.emplace_back("gradient_norm", at::scalar_tensor(norm, at::kDouble));
    told.emplace_back("learning_rate", at::scalar_tensor(rate, at::kDouble));
    return told;
  }

  // Gradients of the mean over the whole batch; returns the parts of its loss.
  NamedTensors backward(const Call& call, JobContext& context) {
    const at::AutoGradMode gradients(true);
    const std::vector<TensorSpec> inputs = objective_->inputs();
    const auto batch = static_cast<double>(call.input(inputs.front().name).size(0));
    NamedTensors sums;
    for (Call& part : parts_of(call, inputs, options_.accumulate)) {
      context.checkpoint();
      const double share = static_cast<double>(part.inputs.front().second.size(0)) / batch;
      const Losses losses = this->losses(part, context);
      (losses.total * share).backward();
      const at::NoGradGuard no_grad;
      for (size_t i = 0; i < losses.parts.size(); ++i) {
        const at::Tensor own = losses.parts[i].second.to(at::kDouble) * share;
        if (sums.size() == i) {
          sums.emplace_back(losses.parts[i].first, own);
        } else {
          sums[i].second.add_(own);
        }
      }
    }
    return sums;
  }

  NamedTensors exchange() {
    if (!averages_) {
      throw Error(ErrorCode::kBadInput, "expected a trainer with ema for exchange");
    }
    averages_->exchange(weights_);
    return {};
  }

  Module& module_;
  std::unique_ptr<Objective> objective_;
  TrainerOptions options_;
  std::vector<Weight> weights_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MovingAverage> averages_;
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Session> open_trainer(Module& module, std::unique_ptr<Objective> objective,
                                      const Json& options) {
  return std::make_unique<Trainer>(module, std::move(objective), options);
}

}  // namespace torchsight
