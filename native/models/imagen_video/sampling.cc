#include "models/imagen_video/sampling.h"

#include <ATen/ATen.h>

#include "diffusion/augmentation.h"
#include "models/imagen_video/framing.h"
#include "runtime/error.h"

namespace torchsight::imagen_video {
namespace {

using namespace diffusion;

constexpr double kClean = 20;  // logsnr of a small video that is as it was

const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kMasks{at::kLong, at::kBool, at::kFloat};

at::Tensor optional(const Call& call, std::string_view name) {
  const at::Tensor* tensor = find_tensor(call.inputs, name);
  return tensor ? *tensor : at::Tensor();
}

// What the network asks of a job: not its progress, which is told in evaluations.
class Evaluation final : public JobContext {
 public:
  explicit Evaluation(JobContext& job) : job_(job) {}
  void checkpoint() override { job_.checkpoint(); }
  bool cancelled() const noexcept override { return job_.cancelled(); }

 private:
  JobContext& job_;
};

class StageDenoiser final : public Denoiser {
 public:
  StageDenoiser(const Network& network, Prediction prediction)
      : network_(network), prediction_(prediction) {}

  Prediction prediction() const override { return prediction_; }
  at::Tensor predict(const at::Tensor& z_BCTHW, const at::Tensor& logsnr_B,
                     const NamedTensors& conditions, JobContext& context) override {
    NamedTensors inputs = conditions;
    inputs.emplace_back("z", z_BCTHW);
    inputs.emplace_back("logsnr", logsnr_B);
    Evaluation evaluation(context);
    return network_(std::move(inputs), evaluation);
  }

 private:
  const Network& network_;
  Prediction prediction_;
};

class Sampling {
 public:
  Sampling(const Config& config, const Network& network, const at::TensorOptions& memory,
           const Call& call, JobContext& context)
      : config_(config),
        network_(network),
        call_(call),
        context_(context),
        options_(SamplingOptions::from_json(call.options, config)),
        padding_(options_.shape.height, options_.shape.width, config.stride()),
        batch_(static_cast<int64_t>(options_.seeds.size())),
        values_(at::TensorOptions()
                    .dtype(memory.dtype().toScalarType() == at::kDouble ? at::kDouble : at::kFloat)
                    .device(memory.device())) {
    for (const auto& [name, tensor] : call.inputs) {
      if (tensor.size(0) == batch_) continue;
      refuse(ErrorCode::kShape, std::to_string(batch_) + " samples, one for each seed,", name,
             std::to_string(tensor.size(0)));
    }
  }

  NamedTensors operator()() {
    StageDenoiser whole(network_, options_.prediction);
    TiledDenoiser tiled(whole, options_.tiling, config_.stride());
    const bool tiles = options_.tiling.size > 0;
    const SampleRequest request = this->request();
    const at::Tensor video = sample(tiles ? static_cast<Denoiser&>(tiled) : whole,
                                    options_.schedule, options_.sampler, request, context_);
    return {{"video", padding_.cropped(video).clamp(-1, 1).to(at::kFloat).contiguous()}};
  }

 private:
  [[noreturn]] void refuse(ErrorCode code, const std::string& expected, std::string_view tensor,
                           const std::string& received) const {
    throw Error(code, "expected " + expected + " for " + std::string(tensor) + " of stage " +
                          options_.name + " but received " + received);
  }

  SampleRequest request() const {
    std::vector<NoiseStreams::Stream> streams;
    for (const int64_t seed : options_.seeds) streams.push_back({seed, options_.stream});
    SampleRequest request{at::empty({batch_, config_.channels, options_.shape.frames,
                                     padding_.height(), padding_.width()},
                                    values_),
                          {},
                          NoiseStreams(std::move(streams))};
    request.conditions = conditions(request.streams);
    request.known = known();
    if (options_.sampler.skip > 0) request.start_BS = framed("start");
    request.phase = options_.name;
    request.item = [this](const at::Tensor& x_BCTHW, int64_t step) -> NamedTensors {
      return {{"preview", preview_of(padding_.cropped(x_BCTHW), options_.preview_size)},
              {"step", at::scalar_tensor(step, at::kLong)}};
    };
    return request;
  }

  Conditions conditions(const NoiseStreams& streams) const {
    Conditions conditions;
    NamedTensors others;
    if (const at::Tensor is_image_B = optional(call_, "is_image"); is_image_B.defined()) {
      others.emplace_back("is_image", is_image_B);
    }
    if (config_.low_res_channels > 0) {
      for (NamedTensor& one : low_res(streams)) others.push_back(std::move(one));
    }
    conditions.given = texts("text", "text_mask");
    if (guided()) {
      conditions.without = texts("negative", "negative_mask");
      if (conditions.given.empty()) {
        refuse(ErrorCode::kBadInput, "a text to be guided by", "text", "nothing");
      }
      if (conditions.without.empty()) {
        // The empty condition: nothing of the text is seen.
        for (const auto& [name, tensor] : conditions.given) {
          conditions.without.emplace_back(name, at::zeros_like(tensor));
        }
      }
    }
    for (NamedTensors* each : {&conditions.given, &conditions.without}) {
      each->insert(each->end(), others.begin(), others.end());
    }
    return conditions;
  }

  bool guided() const {
    const Guidance& guidance = options_.sampler.guidance;
    return guidance.passes != Guidance::Passes::kOne &&
           (guidance.weight > 0 ||
            (guidance.kind == Guidance::Kind::kOscillating && guidance.low > 0));
  }

  // The text under the names that the network knows; empty without one.
  NamedTensors texts(const char* name, const char* mask_name) const {
    const at::Tensor text_BLW = optional(call_, name), mask_BL = optional(call_, mask_name);
    if (!text_BLW.defined()) {
      if (mask_BL.defined()) refuse(ErrorCode::kBadInput, "features beside the mask", name, "none");
      return {};
    }
    const at::Tensor seen_BL = mask_BL.defined()
                                   ? mask_BL.to(values_.device()).ne(0)
                                   : at::ones({batch_, text_BLW.size(1)}, values_.dtype(at::kBool));
    return {{"text", text_BLW.to(values_)}, {"text_mask", seen_BL}};
  }

  // The small video at full size, noised, and its level.
  NamedTensors low_res(const NoiseStreams& streams) const {
    const at::Tensor small_BCthw = optional(call_, "small").to(values_);
    if (small_BCthw.size(2) > options_.shape.frames) {
      refuse(ErrorCode::kShape, "at most " + std::to_string(options_.shape.frames) + " frames",
             "small", std::to_string(small_BCthw.size(2)));
    }
    // In range, as the videos that networks are trained on.
    const at::Tensor large_BCTHW = padding_.padded(options_.shape(small_BCthw.clamp(-1, 1)));
    Augmented told{large_BCTHW, at::full({batch_}, kClean, at::kDouble)};
    if (options_.augmentation_snr > 0) {
      told = augmented_at(large_BCTHW, options_.augmentation_snr, streams, kFreeDraws);
    }
    if (options_.shape.fill == Fill::kBlank) {
      const at::Tensor mask_B1THW =
          padding_.padded(options_.shape.mask(small_BCthw.narrow(1, 0, 1)));
      told.c_BS = at::cat({told.c_BS, mask_B1THW}, 1);
    }
    if (told.c_BS.size(1) != config_.low_res_channels) {
      refuse(ErrorCode::kShape,
             std::to_string(config_.low_res_channels) + " channels, the mask of blank included,",
             "small", std::to_string(told.c_BS.size(1)));
    }
    return {{"low_res", told.c_BS}, {"low_res_logsnr", told.logsnr_B}};
  }

  std::optional<Known> known() const {
    const at::Tensor mask_B1THW = optional(call_, "known_mask");
    if (!mask_B1THW.defined()) {
      if (!optional(call_, "known").defined()) return std::nullopt;
      refuse(ErrorCode::kBadInput, "a mask beside known", "known_mask", "nothing");
    }
    Known known = options_.known;
    known.values_BS = framed("known");
    const at::Tensor mask = padding_.padded(mask_B1THW.to(values_));
    known.mask_BS = mask.ne(0);
    return known;
  }

  // A video of the stage's size.
  at::Tensor framed(const char* name) const {
    const at::Tensor video = optional(call_, name);
    const std::vector<int64_t> sizes{batch_, config_.channels, options_.shape.frames,
                                     options_.shape.height, options_.shape.width};
    if (!video.defined() || video.sizes() != at::IntArrayRef(sizes)) {
      refuse(ErrorCode::kShape, c10::str(at::IntArrayRef(sizes)), name,
             video.defined() ? c10::str(video.sizes()) : "nothing");
    }
    return padding_.padded(video.to(values_));
  }

  const Config& config_;
  const Network& network_;
  const Call& call_;
  JobContext& context_;
  const SamplingOptions options_;
  const Padding padding_;
  const int64_t batch_;
  const at::TensorOptions values_;  // of videos
};

}  // namespace

MethodSchema sample_schema(const Config& config) {
  const std::string channels = std::to_string(config.channels);
  const std::string width = std::to_string(config.text_width);
  const std::vector<std::string> video{"B", channels, "T", "H", "W"};
  MethodSchema schema{"sample",
                      "Video of noise: all steps of a stage.",
                      {{"text", kFloats, {"B", "L", width}, true, 0},
                       {"text_mask", kMasks, {"B", "L"}, true, 0},
                       {"negative", kFloats, {"B", "L", width}, true, 0},
                       {"negative_mask", kMasks, {"B", "L"}, true, 0},
                       {"is_image", {at::kBool}, {"B"}, true, 0},
                       {"known", kFloats, video, true, 0},
                       {"known_mask", {at::kBool}, {"B", "1", "T", "H", "W"}, true, 0},
                       {"start", kFloats, video, true, 0}},
                      {{"video", {at::kFloat}, video, false, 0}},
                      SamplingOptions::specs(),
                      {{"preview", {at::kByte}, {"B", "T", "h", "w", channels}, false, 0},
                       {"step", {at::kLong}, {}}}};
  if (config.low_res_channels > 0) {
    schema.inputs.push_back({"small", kFloats, {"B", channels, "t", "h", "w"}, false, 0});
  }
  return schema;
}

NamedTensors sample_video(const Config& config, const Network& network,
                          const at::TensorOptions& memory, const Call& call, JobContext& context) {
  return Sampling(config, network, memory, call, context)();
}

}  // namespace torchsight::imagen_video
