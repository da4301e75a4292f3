#include "models/imagen_video/imagen_video.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "models/imagen_video/sampling.h"
#include "models/imagen_video/training.h"
#include "nn/parameters.h"
#include "nn/relative_bias.h"
#include "runtime/error.h"
#include "training/trainer.h"

namespace torchsight::imagen_video {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();
const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kNumbers{at::kFloat, at::kDouble};
const std::vector<at::ScalarType> kMasks{at::kLong, at::kBool, at::kFloat};

at::Tensor optional(const Call& call, std::string_view name) {
  const at::Tensor* tensor = find_tensor(call.inputs, name);
  return tensor ? *tensor : at::Tensor();
}

}  // namespace

Stage::Stage(const Config& config, const ModuleOptions& options)
    : config_(config),
      noise_(config, false, options),
      text_(config, options),
      unet_(config, options) {
  if (options.group) {
    throw Error(ErrorCode::kUnsupported,
                "expected one process for a stage of imagen_video but received a group of ranks");
  }
  if (config.low_res_channels > 0) augmentation_.emplace(config, false, options);
  if (config.guidance_input) guidance_.emplace(config, true, options);
  if (config.temporal.attention) {
    const auto widest =
        std::max_element(config.levels.begin(), config.levels.end(),
                         [](const auto& a, const auto& b) { return a.channels < b.channels; });
    frame_table_KH_ =
        at::empty({config.buckets, widest->channels / config.head}, tensor_options(options));
  }
  const std::string channels = std::to_string(config.channels);
  add_method({"predict",
              "What the network says of noised clips: v, by default, for each pixel.",
              input_specs(),
              {{"prediction", {}, {"B", channels, "T", "H", "W"}, false, 0}},
              {}},
             [this](Call& call, JobContext& context) { return predict(call, context); });
  add_method(sample_schema(config),
             [this](Call& call, JobContext& context) { return sample(call, context); });
}

std::vector<TensorSpec> Stage::input_specs() const {
  const std::string channels = std::to_string(config_.channels);
  std::vector<TensorSpec> specs{
      {"z", kFloats, {"B", channels, "T", "H", "W"}, false, 0},
      {"logsnr", kNumbers, {"B"}, false, 0},
      {"text", kFloats, {"B", "L", std::to_string(config_.text_width)}, true, 0},
      {"text_mask", kMasks, {"B", "L"}, true, 0},
      {"is_image", {at::kBool}, {"B"}, true, 0}};
  if (augmentation_) {
    const std::string more = std::to_string(config_.low_res_channels);
    specs.push_back({"low_res", kFloats, {"B", more, "T", "H", "W"}, false, 0});
    specs.push_back({"low_res_logsnr", kNumbers, {"B"}, false, 0});
  }
  if (guidance_) specs.push_back({"guidance_weight", kNumbers, {"B"}, false, 0});
  return specs;
}

std::vector<Parameter> Stage::parameters() {
  std::vector<Parameter> parameters;
  noise_.add_parameters(parameters, "emb.noise");
  if (augmentation_) augmentation_->add_parameters(parameters, "emb.aug");
  if (guidance_) guidance_->add_parameters(parameters, "emb.w");
  text_.add_parameters(parameters, "text");
  if (frame_table_KH_.defined()) {
    add_parameter(parameters, "time.bias", frame_table_KH_, normal(0.5));
  }
  unet_.add_parameters(parameters);
  return parameters;
}

std::unique_ptr<Session> Stage::open_session(const std::string& kind, const Json& options) {
  if (kind != "trainer") return Module::open_session(kind, options);
  return open_trainer(*this, objective_of_stage(*this, options), options);
}

std::unique_ptr<Stage> Stage::copy(bool guidance_input) {
  const at::NoGradGuard no_gradients;
  Config config = config_;
  config.guidance_input = guidance_input;
  ModuleOptions options = this->options();
  auto copied = std::make_unique<Stage>(config, options);
  copied->set_options(options);
  const std::vector<Parameter> own = parameters();
  for (Parameter& parameter : copied->parameters()) {
    const auto same = std::find_if(
        own.begin(), own.end(), [&](const Parameter& one) { return one.name == parameter.name; });
    parameter.tensor.copy_(same->tensor);
  }
  copied->loaded();
  return copied;
}

void Stage::check(const Call& call) const {
  const at::Tensor& z = call.input("z");
  const int64_t stride = config_.stride();
  for (const auto& [dim, name] : {std::pair{3, "height"}, {4, "width"}}) {
    if (z.size(dim) < 1 || z.size(dim) % stride != 0) {
      throw Error(ErrorCode::kShape, "expected a multiple of " + std::to_string(stride) +
                                         " for the " + name + " of z but received " +
                                         std::to_string(z.size(dim)));
    }
  }
  if (z.size(0) < 1 || z.size(2) < 1) {
    throw Error(ErrorCode::kShape, "expected at least one clip of one frame for z but received " +
                                       c10::str(z.sizes()));
  }
  if (optional(call, "text_mask").defined() && !optional(call, "text").defined()) {
    throw Error(ErrorCode::kBadInput, "expected text beside text_mask but received nothing");
  }
}

at::Tensor Stage::embedding(const Call& call, const TextContext& text) const {
  at::Tensor e_BE = noise_.forward(noise_number(call.input("logsnr").cpu())) + text_.pooled(text);
  if (augmentation_) {
    e_BE = e_BE + augmentation_->forward(noise_number(call.input("low_res_logsnr").cpu()));
  }
  if (guidance_) e_BE = e_BE + guidance_->forward(call.input("guidance_weight").cpu());
  return e_BE;
}

at::Tensor Stage::frame_bias(const at::Tensor& is_clip_B, int64_t frames) const {
  const at::Tensor bias_1HTT = relative_bias(frame_table_KH_, frames, config_.max_distance);
  const at::Tensor same_TT = at::eye(frames, is_clip_B.options());
  const at::Tensor seen_BTT = is_clip_B.view({-1, 1, 1}).bitwise_or(same_TT);
  return at::where(seen_BTT.unsqueeze(1), bias_1HTT, kLowest);
}

NamedTensors Stage::predict(Call& call, JobContext& context) {
  check(call);
  const at::Tensor& given = call.input("z");
  const int64_t batch = given.size(0), frames = given.size(2);
  const at::TensorOptions memory = unet_.memory();
  // Frames of all clips behind each other: [B T, C, H, W].
  const auto frames_of = [&](const at::Tensor& x_BCTHW) {
    return x_BCTHW.to(memory).transpose(1, 2).flatten(0, 1);
  };
  at::Tensor x_FIHW = frames_of(given);
  if (augmentation_) x_FIHW = at::cat({x_FIHW, frames_of(call.input("low_res"))}, 1);

  const at::Tensor is_image_B = optional(call, "is_image");
  const at::Tensor is_clip_B =
      (is_image_B.defined() ? is_image_B.logical_not() : at::ones({batch}, at::kBool))
          .to(memory.device());
  const TextContext text =
      text_.context(batch, optional(call, "text"), optional(call, "text_mask"));
  const auto parts = static_cast<double>(unet_.part_names().size());
  double done = 0;
  Surroundings around{embedding(call, text), text, {}, {}, frames, {}, call.recompute};
  if (config_.temporal.attention) around.bias_BHTT = frame_bias(is_clip_B, frames);
  if (config_.temporal.convolution) {
    around.clips_F111 = is_clip_B.to(memory.dtype()).repeat_interleave(frames).view({-1, 1, 1, 1});
  }
  around.done = [&](const std::string& name, const at::Tensor& x_FCHW) {
    call.taps.record(name, x_FCHW);
    context.progress({++done, parts, "levels"});
    context.checkpoint();
  };
  const at::Tensor y_FCHW = unet_.forward(x_FIHW, around);
  NamedTensors results{
      {"prediction", y_FCHW.unflatten(0, {batch, frames}).transpose(1, 2).contiguous()}};
  for (NamedTensor& one : call.taps.take()) results.push_back(std::move(one));
  return results;
}

NamedTensors Stage::sample(Call& call, JobContext& context) {
  try {
    return sample_video(*this, config_, unet_.memory(), call, context);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDiverged) throw;
    // Weights that are none are what it mostly comes from.
    for (const Parameter& one : parameters()) {
      if (at::isfinite(one.tensor).all().item<bool>()) continue;
      throw Error(error.code(), std::string(error.what()) + ": so has the weight " + one.name);
    }
    throw;
  }
}

std::unique_ptr<Module> make_stage(const Json& config, const ModuleOptions& options) {
  return std::make_unique<Stage>(Config::from_json(config), options);
}

}  // namespace torchsight::imagen_video
