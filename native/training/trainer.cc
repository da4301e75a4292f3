#include "training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "runtime/autocast.h"
#include "runtime/error.h"
#include "training/batch_gradients.h"
#include "training/batch_parts.h"
#include "training/gradients.h"
#include "training/moving_average.h"
#include "training/optimizer.h"
#include "training/trainer_options.h"

namespace torchsight {
namespace {

constexpr const char* kStep = "step";

const std::vector<OptionSpec> kPart{
    {"part", "int", Json(0), "of the batch, from 0, which begins anew"},
    {"share", "float", Json(1.0), "of the batch that the part is"}};

class Trainer final : public Session {
 public:
  Trainer(Module& module, std::unique_ptr<Objective> objective, const Json& json)
      : objective_(std::move(objective)),
        options_(TrainerOptions::from_json(json)),
        adapters_(options_.adapters ? std::make_unique<Adapters>(module, *options_.adapters)
                                    : nullptr),
        weights_(weights_to_train(module, options_.groups, adapters_.get())) {
    check_objective();
    const Json* optimizer = json.find("optimizer");
    optimizer_ = make_optimizer(optimizer ? *optimizer : Json(Json::Object{}), weights_);
    if (options_.ema > 0) averages_.emplace(options_.ema, weights_);
  }

  ~Trainer() override {
    gradients_.clear();
    for (Weight& weight : weights_) weight.leaf.requires_grad_(false);
  }

  std::vector<MethodSchema> schemas() const override {
    const std::vector<TensorSpec> losses{{"loss", {}, {}}};
    std::vector<TensorSpec> told = losses;
    for (const char* name : {"gradient_norm", "learning_rate"}) told.push_back({name, {}, {}});
    std::vector<MethodSchema> schemas{
        {kStep, "Moves the weights by one batch.", objective_->inputs(), told},
        {"evaluate", "The loss of a batch.", objective_->inputs(), losses},
        {"forward", "Outputs for a loss of one's own.", objective_->schema().inputs, {}},
        {"backward", "Adds the gradients of such a loss.", losses, {}, kPart},
        {"update", "Moves the weights by those gradients.", {}, told},
        {"state", "What moves beside the weights.", {}, {}},
        {"exchange", "Weights against their moving averages, and back.", {}, {}}};
    if (!adapters_) return schemas;
    std::vector<TensorSpec> all;
    for (const Weight& weight : weights_) {
      all.push_back({weight.name, {}, {}});
      for (const int64_t size : weight.value.sizes()) {
        all.back().shape.push_back(std::to_string(size));
      }
    }
    schemas.insert(
        schemas.end(),
        {{"trained", "Adapters, and what is trained beside them.", {}, {}},
         {"adopt", "Puts such weights in their places.", all, {}},
         {"take_out", "Puts the model's own weights in the adapted ones' place.", {}, {}},
         {"merge", "Puts the adapted weights back.", {}, {}}});
    return schemas;
  }

  NamedTensors call(const std::string& method, Call& call, JobContext& context) override {
    if (method == kStep) return step(call, context);
    if (method == "forward") return forward(call, context);
    if (method == "backward") return backward_of(call);
    if (method == "update") return finish(std::exchange(sums_, {}));
    const at::NoGradGuard no_grad;
    if (method == "evaluate") return losses(call, context).parts;
    if (method == "state") return snapshot();
    if (method == "exchange") return exchange();
    if (adapters_ && method == "trained") return trained();
    if (adapters_ && method == "adopt") return adopt(call.inputs);
    if (adapters_ && method == "take_out") return adapters_->take_out(), NamedTensors{};
    if (adapters_ && method == "merge") return adapters_->merge(), NamedTensors{};
    throw Error(ErrorCode::kNotFound,
                "expected a method of this trainer but received \"" + method + "\"");
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
    if (adapters_) adapters_->merge();
  }

 private:
  // What the objective and the module must be able to do.
  void check_objective() const {
    const bool parts = options_.accumulate > 1 || options_.clip_per_example > 0;
    if (parts && !objective_->separable()) {
      throw Error(ErrorCode::kUnsupported,
                  "expected a loss of each example by itself for accumulate or clipPerExample "
                  "but received one of all pairs of a batch");
    }
    if (!options_.telemetry) return;
    for (const OptionSpec& option : objective_->schema().options) {
      if (option.name == "telemetry") return;
    }
    throw Error(ErrorCode::kUnsupported,
                "expected a model that tells of its attention for telemetry");
  }

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
    if (!adapters_) return all;
    for (const auto& [name, tensor] : adapters_->base()) all.emplace_back("base." + name, tensor);
    for (const Weight& weight : adapters_->weights()) {
      all.emplace_back("adapter." + weight.name, weight.value);
    }
    return all;
  }

  // Products have another dtype in training alone: what is evaluated is the model as it is saved.
  Autocast products() const {
    const auto dtype = at::GradMode::is_enabled() ? options_.autocast : std::nullopt;
    return {weights_.front().value.device().type(), dtype};
  }

  Losses losses(Call& call, JobContext& context) {
    const Autocast autocast = products();
    return (*objective_)(call, context);
  }

  NamedTensors step(Call& call, JobContext& context) { return finish(backward(call, context)); }

  // Moves the weights by the gradients that are there. `told` is what the loss is the sum of.
  NamedTensors finish(NamedTensors told) {
    if (told.empty()) {
      throw Error(ErrorCode::kBadInput,
                  "expected a backward pass before update but there was none");
    }
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients = gradients_.take();
    const double norm = global_norm(gradients);
    check_finite(told.front().second.item<double>(), norm, weights_, gradients, step_);
    if (options_.clip > 0) clip_gradients(gradients, norm, options_.clip);
    const double rate = options_.schedule.at(step_);
    optimizer_->step(weights_, gradients, rate, step_);
    if (averages_) averages_->update(weights_, step_);
    gradients_.clear();
    if (adapters_) adapters_->merge();
    ++step_;
    told.emplace_back("gradient_norm", at::scalar_tensor(norm, at::kDouble));
    told.emplace_back("learning_rate", at::scalar_tensor(rate, at::kDouble));
    return told;
  }

  // Gradients of the mean over the whole batch; returns the parts of its loss.
  NamedTensors backward(Call& call, JobContext& context) {
    const at::AutoGradMode enabled(true);
    call.recompute = options_.recompute;
    if (options_.telemetry) call.options.set("telemetry", true);
    const std::vector<TensorSpec> inputs = objective_->inputs();
    const int64_t batch = size_of_batch(call, inputs);
    const int64_t count = options_.clip_per_example > 0 ? batch : options_.accumulate;
    NamedTensors sums;
    gradients_.clear();
    for (Call& part : parts_of(call, inputs, count)) {
      context.checkpoint();
      const double share = static_cast<double>(size_of_batch(part, inputs)) / batch;
      add(sums, losses(part, context), share);
    }
    return sums;
  }

  // The backward pass of one part of a batch.
  void add(NamedTensors& sums, const Losses& losses, double share) {
    gradients_.add(losses.total, share);
    const at::NoGradGuard no_grad;
    add_losses(sums, losses, share);
  }

  NamedTensors forward(Call& call, JobContext& context) {
    call.recompute = options_.recompute;
    const Autocast autocast = products();
    return objective_->outputs(call, context);
  }

  NamedTensors backward_of(const Call& call) {
    const at::AutoGradMode enabled(true);
    if (call.options.get("part", 0) == 0) {
      gradients_.clear();
      sums_.clear();
    }
    const at::Tensor& loss = call.input("loss");
    if (!loss.requires_grad()) {
      throw Error(ErrorCode::kBadInput,
                  "expected a loss that depends on weights that are trained but received one "
                  "without derivatives");
    }
    add(sums_, {loss, {{"loss", loss.detach()}}, {}}, call.options.get("share", 1.0));
    return {};
  }

  NamedTensors trained() const {
    NamedTensors all;
    for (const Weight& weight : weights_) all.emplace_back(weight.name, weight.value.clone());
    return all;
  }

  NamedTensors adopt(const NamedTensors& given) {
    if (given.size() != weights_.size()) refuse("the number of weights");
    for (const Weight& weight : weights_) {
      const at::Tensor* own = find_tensor(given, weight.name);
      if (!own || own->sizes() != weight.value.sizes()) refuse(weight.name);
    }
    for (Weight& weight : weights_) weight.value.copy_(*find_tensor(given, weight.name));
    adapters_->merge();
    return {};
  }

  NamedTensors exchange() {
    if (!averages_) {
      throw Error(ErrorCode::kBadInput, "expected a trainer with ema for exchange");
    }
    averages_->exchange(weights_);
    if (adapters_) adapters_->merge();
    return {};
  }

  std::unique_ptr<Objective> objective_;
  TrainerOptions options_;
  std::unique_ptr<Adapters> adapters_;  // null: the weights themselves are trained
  std::vector<Weight> weights_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MovingAverage> averages_;
  BatchGradients gradients_{weights_, adapters_.get(), options_.clip_per_example};
  NamedTensors sums_;  // losses of parts that were given
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Session> open_trainer(Module& module, std::unique_ptr<Objective> objective,
                                      const Json& options) {
  return std::make_unique<Trainer>(module, std::move(objective), options);
}

}  // namespace torchsight
