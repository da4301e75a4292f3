#include "models/imagen_video/training.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "diffusion/distillation.h"
#include "diffusion/loss.h"
#include "models/imagen_video/denoiser.h"
#include "models/imagen_video/training_batch.h"
#include "runtime/config_reader.h"
#include "runtime/error.h"

namespace torchsight::imagen_video {
namespace {

constexpr double kTextDropout = 0.1;  // as Imagen's: arXiv 2205.11487, section 2.2
constexpr double kMostGuidance = 4;   // as arXiv 2210.03142 distils
constexpr double kMostWeight = 1000;
constexpr int64_t kMostSteps = 1 << 20;

// A point of the forward process, and what the stage should say there.
struct Lesson {
  at::Tensor z_BCTHW, logsnr_B, target_BCTHW;
};

class StageObjective : public Objective {
 public:
  StageObjective(Stage& stage, const ConfigReader& reader, double text_dropout)
      : Objective(stage, "predict"),
        stage_(stage),
        prediction_(diffusion::prediction_from_json(reader, "prediction")),
        loss_(diffusion::LossOptions::from_json(reader)),
        batch_(BatchOptions::from_json(reader, stage.config(), text_dropout)) {}

  std::vector<TensorSpec> inputs() const override { return batch_inputs(stage_.config()); }

  Losses operator()(Call& call, JobContext& context) override {
    const ModuleOptions& options = stage_.options();
    const auto memory = at::TensorOptions()
                            .dtype(at::promote_types(options.dtype, at::kFloat))
                            .device(options.device);
    TrainingBatch batch = training_batch(call, stage_.config(), batch_, memory);
    const Lesson lesson = lesson_of(batch, context);
    Call own;
    own.inputs = batch.conditions.given;
    own.inputs.insert(own.inputs.end(), {{"z", lesson.z_BCTHW}, {"logsnr", lesson.logsnr_B}});
    own.options = Json::Object{};
    own.recompute = call.recompute;
    const NamedTensors outputs = this->outputs(own, context);
    const at::Tensor loss_B =
        diffusion::loss(prediction_, loss_, *find_tensor(outputs, "prediction"),
                        lesson.target_BCTHW, lesson.logsnr_B);
    const at::Tensor total = loss_B.mean();
    return {total, {{"loss", total.detach()}}, {}};
  }

 protected:
  /// What is to be learnt of a batch; may add to its conditions.
  virtual Lesson lesson_of(TrainingBatch& batch, JobContext& context) = 0;

  at::Tensor random_level(const TrainingBatch& batch) const {
    return batch_.schedule.logsnr(uniform(batch, Draw::kTime));
  }
  at::Tensor target(const diffusion::Denoised& parts, const diffusion::Level& level) const {
    return diffusion::prediction_of(prediction_, parts, level);
  }

  Stage& stage_;
  const diffusion::Prediction prediction_;
  const diffusion::LossOptions loss_;
  const BatchOptions batch_;
};

class Denoising final : public StageObjective {
 public:
  Denoising(Stage& stage, const ConfigReader& reader)
      : StageObjective(stage, reader, kTextDropout) {
    if (!stage.config().guidance_input) return;
    throw Error(ErrorCode::kBadConfig,
                "expected a stage without guidance_input for the loss denoising: a weight of "
                "guidance is learnt by distillation");
  }

 private:
  Lesson lesson_of(TrainingBatch& batch, JobContext&) override {
    const at::Tensor logsnr_B = random_level(batch);
    const auto level = diffusion::Level::each(logsnr_B, batch.x_BCTHW);
    const diffusion::Denoised parts{batch.x_BCTHW, batch.epsilon_BCTHW};
    return {diffusion::noised(parts.x_BS, parts.epsilon_BS, level), logsnr_B, target(parts, level)};
  }
};

// What is learnt from the stage as it was.
class Distilling : public StageObjective {
 public:
  Distilling(Stage& stage, const ConfigReader& reader, bool teacher_is_told)
      : StageObjective(stage, reader, 0),
        teacher_(stage.copy(teacher_is_told)),
        denoiser_(*teacher_, prediction_),
        least_(reader.number("guidance_least", 0, kMostWeight, 0)),
        most_(
            reader.number("guidance_most", least_, kMostWeight, std::max(least_, kMostGuidance))) {}

  NamedTensors state() const override {
    NamedTensors weights;
    for (const Parameter& parameter : teacher_->parameters()) {
      weights.emplace_back("teacher." + parameter.name, parameter.tensor);
    }
    return weights;
  }

 protected:
  /// A weight of guidance for each sample, which the student is told.
  at::Tensor random_weight(TrainingBatch& batch) const {
    const at::Tensor weight_B = uniform(batch, Draw::kWeight) * (most_ - least_) + least_;
    batch.conditions.given.emplace_back(diffusion::Guidance::kWeightInput, weight_B);
    return weight_B;
  }

  std::unique_ptr<Stage> teacher_;
  StageDenoiser denoiser_;

 private:
  double least_, most_;
};

class GuidanceDistilling final : public Distilling {
 public:
  GuidanceDistilling(Stage& stage, const ConfigReader& reader) : Distilling(stage, reader, false) {
    if (stage.config().guidance_input) return;
    throw Error(ErrorCode::kBadConfig,
                "expected a stage with guidance_input for the loss guidance but received one "
                "without");
  }

 private:
  Lesson lesson_of(TrainingBatch& batch, JobContext& context) override {
    if (!find_tensor(batch.conditions.given, "text")) {
      throw Error(ErrorCode::kBadInput, "expected text to be guided by but received none");
    }
    const at::Tensor logsnr_B = random_level(batch);
    const auto level = diffusion::Level::each(logsnr_B, batch.x_BCTHW);
    const at::Tensor z_BCTHW = diffusion::noised(batch.x_BCTHW, batch.epsilon_BCTHW, level);
    const diffusion::Conditions conditions = batch.conditions;  // the teacher is told no weight
    const at::Tensor weight_B = random_weight(batch);
    return {
        z_BCTHW, logsnr_B,
        diffusion::guidance_target(denoiser_, z_BCTHW, logsnr_B, conditions, weight_B, context)};
  }
};

class ProgressiveDistilling final : public Distilling {
 public:
  ProgressiveDistilling(Stage& stage, const ConfigReader& reader)
      : Distilling(stage, reader, stage.config().guidance_input),
        steps_(reader.size("steps", kMostSteps)) {}

 private:
  Lesson lesson_of(TrainingBatch& batch, JobContext& context) override {
    if (stage_.config().guidance_input) random_weight(batch);
    const at::Tensor step_B =
        (uniform(batch, Draw::kTime) * static_cast<double>(steps_)).to(at::kLong);
    const diffusion::StudentTarget student = diffusion::progressive_target(
        denoiser_, batch_.schedule, batch.x_BCTHW, batch.epsilon_BCTHW, step_B, steps_,
        batch.conditions.given, context);
    return {student.z_BS, student.logsnr_B, target(student.parts, student.level)};
  }

  int64_t steps_;
};

enum class Goal { kDenoising, kGuidance, kProgressive };

}  // namespace

std::unique_ptr<Objective> objective_of_stage(Stage& stage, const Json& options) {
  const ConfigReader reader(options), diffusion = reader.section("diffusion");
  switch (reader.choice<Goal>("loss", {{"denoising", Goal::kDenoising},
                                       {"guidance", Goal::kGuidance},
                                       {"progressive", Goal::kProgressive}})) {
    case Goal::kGuidance:
      return std::make_unique<GuidanceDistilling>(stage, diffusion);
    case Goal::kProgressive:
      return std::make_unique<ProgressiveDistilling>(stage, diffusion);
    default:
      return std::make_unique<Denoising>(stage, diffusion);
  }
}

}  // namespace torchsight::imagen_video
