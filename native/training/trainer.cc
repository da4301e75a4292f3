#include "training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>
#include <set>

#include "runtime/autocast.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/whole_session.h"
#include "training/batch_gradients.h"
#include "training/batch_parts.h"
#include "training/gradients.h"
#include "training/moving_average.h"
#include "training/optimizer.h"
#include "training/reducer.h"
#include "training/state_shares.h"
#include "training/trainer_options.h"
#include "training/whole_state.h"

namespace torchsight {
namespace {

constexpr const char* kStep = "step";
// Samples of a replica, and of all replicas, that have streams of random numbers in a step.
constexpr int kReplicaBits = 20, kStepBits = 32;

const std::vector<OptionSpec> kPart{
    {"part", "int", Json(0), "of the batch, from 0, which begins anew"},
    {"share", "float", Json(1.0), "of the batch that the part is"}};

class Trainer final : public WholeSession {
 public:
  Trainer(Module& module, std::unique_ptr<Objective> objective, const Json& json)
      : objective_(std::move(objective)),
        options_(TrainerOptions::from_json(json)),
        adapters_(options_.adapters ? std::make_unique<Adapters>(module, *options_.adapters)
                                    : nullptr),
        weights_(weights_to_train(module, options_.groups, adapters_.get())),
        ranks_(RunRanks::of(module.options())),
        shares_(ranks_, weights_, options_.shard_optimizer),
        own_(shares_.own(weights_)),
        whole_(ranks_, shares_, weights_, section(json, "optimizer"), options_.ema > 0),
        reducer_(ranks_, weights_, options_.bucket_bytes) {
    check_objective();
    check_ranks();
    optimizer_ = make_optimizer(section(json, "optimizer"), own_, ranks_.parts);
    if (options_.ema > 0) averages_.emplace(options_.ema, own_);
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
    if (method == "evaluate") return evaluate(call, context);
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
    for (NamedTensor& tensor : whole_.gather(memory())) state.push_back(std::move(tensor));
    for (const auto& [name, tensor] : kept()) state.emplace_back(name, tensor.clone());
    return state;
  }

  void restore(const NamedTensors& state) override {
    const at::NoGradGuard no_grad;
    NamedTensors own = kept(), whole = state;
    const at::Tensor* step = find_tensor(state, kStep);
    if (!step || step->numel() != 1) WholeState::refuse("the number of the step");
    for (auto& [name, tensor] : own) {
      const at::Tensor* saved = find_tensor(state, name);
      if (!saved || saved->sizes() != tensor.sizes()) WholeState::refuse(name);
    }
    std::erase_if(whole, [&](const NamedTensor& tensor) {
      return tensor.first == kStep || find_tensor(own, tensor.first);
    });
    whole_.scatter(whole, memory());
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

  // What ranks can do together.
  void check_ranks() const {
    if (!ranks_.parts && !ranks_.replicated()) return;
    if (adapters_ || options_.clip_per_example > 0) {
      throw Error(
          ErrorCode::kUnsupported,
          "expected a model in one process for adapters and clipPerExample but received one "
          "on several ranks");
    }
    if (ranks_.replicated() && !objective_->separable()) {
      throw Error(ErrorCode::kUnsupported,
                  "expected a loss of each example by itself for replicas but received one of all "
                  "pairs of a batch");
    }
  }

  static Json section(const Json& json, const char* name) {
    const Json* found = json.find(name);
    return found ? *found : Json(Json::Object{});
  }

  // What moves on this rank but the weights, the number of the step, and adapters.
  NamedTensors memory() const {
    NamedTensors all;
    for (size_t i = 0; i < own_.size(); ++i) {
      for (auto& [name, tensor] : optimizer_->state(i)) {
        all.emplace_back("optimizer." + own_[i].name + "." + name, tensor);
      }
      if (averages_) all.emplace_back("ema." + own_[i].name, averages_->averages()[i]);
    }
    return all;
  }

  // What else has a place in checkpoints.
  NamedTensors kept() const {
    NamedTensors all;
    for (const auto& [name, tensor] : objective_->state()) {
      all.emplace_back("objective." + name, tensor);
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
    Losses losses;
    ranks_.alike(context, [&](JobContext& mine) {
      const Autocast autocast = products();
      losses = (*objective_)(call, mine);
    });
    return losses;
  }

  NamedTensors step(Call& call, JobContext& context) { return finish(backward(call, context)); }

  // The stream of random numbers of this replica's first sample in this step.
  int64_t first_stream() const {
    const int64_t replica = ranks_.replicated() ? ranks_.replicas->rank() : 0;
    return (step_ << kStepBits) + (replica << kReplicaBits);
  }

  // Moves the weights by the gradients that are there. `told` is what the loss is the sum of.
  NamedTensors finish(NamedTensors told) {
    if (told.empty()) {
      throw Error(ErrorCode::kBadInput,
                  "expected a backward pass before update but there was none");
    }
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> gradients = gradients_.take();
    const double norm = reducer_.norm(gradients);
    check_finite(told.front().second.item<double>(), norm, weights_, gradients, step_);
    if (options_.clip > 0) clip_gradients(gradients, norm, options_.clip);
    const double rate = options_.schedule.at(step_);
    optimizer_->step(own_, shares_.own(gradients), rate, step_);
    if (averages_) averages_->update(own_, step_);
    shares_.publish(weights_);
    gradients_.clear();
    if (adapters_) adapters_->merge();
    ++step_;
    told.emplace_back("gradient_norm", at::scalar_tensor(norm, at::kDouble));
    told.emplace_back("learning_rate", at::scalar_tensor(rate, at::kDouble));
    return told;
  }

  // Gradients of the mean over the batches of all replicas; returns the parts of its loss.
  NamedTensors backward(Call& call, JobContext& context) {
    const at::AutoGradMode enabled(true);
    call.recompute = options_.recompute;
    call.stream = first_stream();
    if (options_.telemetry) call.options.set("telemetry", true);
    const std::vector<TensorSpec> inputs = objective_->inputs();
    const int64_t batch = size_of_batch(call, inputs);
    const int64_t count = options_.clip_per_example > 0 ? batch : options_.accumulate;
    std::vector<Call> parts;
    ranks_.alike(context, [&](JobContext&) { parts = parts_of(call, inputs, count); });
    const double all = ranks_.sum_replicas(static_cast<double>(batch));
    NamedTensors sums;
    reducer_.abandon();
    gradients_.clear();
    for (Call& part : parts) {
      const double share = static_cast<double>(size_of_batch(part, inputs)) / all;
      const Losses losses = this->losses(part, context);
      if (&part == &parts.back()) reducer_.expect_last();
      add(sums, losses, share);
    }
    reducer_.finish();
    return over_replicas(std::move(sums));
  }

  NamedTensors evaluate(Call& call, JobContext& context) {
    const auto own = static_cast<double>(size_of_batch(call, objective_->inputs()));
    const double share = own / ranks_.sum_replicas(own);
    const Losses losses = this->losses(call, context);
    if (!ranks_.replicated()) return losses.parts;
    NamedTensors sums;
    add_losses(sums, {losses.total, losses.parts, {}}, share);
    return over_replicas(std::move(sums));
  }

  // What replicas have of the whole batch: shares of sums, and the largest of their own.
  NamedTensors over_replicas(NamedTensors sums) const {
    if (!ranks_.replicated()) return sums;
    for (auto& [name, value] : sums) {
      const at::Tensor all = ranks_.replicas->all_gather(value.unsqueeze(0));
      value = largest_.count(name) ? all.amax(0) : all.sum(0);
    }
    return sums;
  }

  // The backward pass of one part of a batch.
  void add(NamedTensors& sums, const Losses& losses, double share) {
    gradients_.add(losses.total, share);
    for (const NamedTensor& one : losses.largest) largest_.insert(one.first);
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
    if (given.size() != weights_.size()) WholeState::refuse("the number of weights");
    for (const Weight& weight : weights_) {
      const at::Tensor* own = find_tensor(given, weight.name);
      if (!own || own->sizes() != weight.value.sizes()) WholeState::refuse(weight.name);
    }
    for (Weight& weight : weights_) weight.value.copy_(*find_tensor(given, weight.name));
    adapters_->merge();
    return {};
  }

  NamedTensors exchange() {
    if (!averages_) {
      throw Error(ErrorCode::kBadInput, "expected a trainer with ema for exchange");
    }
    averages_->exchange(own_);
    shares_.publish(weights_);
    if (adapters_) adapters_->merge();
    return {};
  }

  RoomForTraining room_;
  std::unique_ptr<Objective> objective_;
  TrainerOptions options_;
  std::unique_ptr<Adapters> adapters_;  // null: the weights themselves are trained
  std::vector<Weight> weights_;
  RunRanks ranks_;
  StateShares shares_;
  std::vector<Weight> own_;  // whose state this rank keeps
  WholeState whole_;
  Reducer reducer_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MovingAverage> averages_;
  BatchGradients gradients_{weights_, adapters_.get(), options_.clip_per_example};
  NamedTensors sums_;              // losses of parts that were given
  std::set<std::string> largest_;  // names of losses that are the largest of a batch
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Session> open_trainer(Module& module, std::unique_ptr<Objective> objective,
                                      const Json& options) {
  return std::make_unique<Trainer>(module, std::move(objective), options);
}

}  // namespace torchsight
