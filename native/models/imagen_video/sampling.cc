#include "models/imagen_video/sampling.h"

#include <ATen/ATen.h>

#include "models/imagen_video/denoiser.h"
#include "models/imagen_video/given.h"
#include "models/imagen_video/sampling_options.h"

namespace torchsight::imagen_video {

using namespace diffusion;

namespace {

const std::vector<at::ScalarType> kFloats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> kMasks{at::kLong, at::kBool, at::kFloat};

// What an evaluation asks of a job: not its progress, which is told in evaluations.
class Evaluation final : public JobContext {
 public:
  explicit Evaluation(JobContext& job) : job_(job) {}
  void checkpoint() override { job_.checkpoint(); }
  bool cancelled() const noexcept override { return job_.cancelled(); }

 private:
  JobContext& job_;
};

class Quiet final : public Denoiser {
 public:
  explicit Quiet(Denoiser& inner) : inner_(inner) {}
  Prediction prediction() const override { return inner_.prediction(); }
  at::Tensor predict(const at::Tensor& z_BCTHW, const at::Tensor& logsnr_B,
                     const NamedTensors& conditions, JobContext& context) override {
    Evaluation evaluation(context);
    return inner_.predict(z_BCTHW, logsnr_B, conditions, evaluation);
  }

 private:
  Denoiser& inner_;
};

NoiseStreams streams_of(const SamplingOptions& options) {
  std::vector<NoiseStreams::Stream> streams;
  for (const int64_t seed : options.seeds) streams.push_back({seed, options.stream});
  return NoiseStreams(std::move(streams));
}

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

NamedTensors sample_video(Module& stage, const Config& config, const at::TensorOptions& memory,
                          const Call& call, JobContext& context) {
  const auto options = SamplingOptions::from_json(call.options, config);
  const Padding padding(options.shape.height, options.shape.width, config.stride());
  const bool wide = memory.dtype().toScalarType() == at::kDouble;
  const auto values =
      at::TensorOptions().dtype(wide ? at::kDouble : at::kFloat).device(memory.device());
  const Given given(config, options, padding, values, call);
  const std::vector<int64_t> sizes{static_cast<int64_t>(options.seeds.size()), config.channels,
                                   options.shape.frames, padding.height(), padding.width()};
  SampleRequest request{at::empty(sizes, values), {}, streams_of(options)};
  request.conditions = given.conditions(request.streams);
  request.known = given.known();
  request.start_BS = given.start();
  request.phase = options.name;
  request.item = [&](const at::Tensor& x_BCTHW, int64_t step) -> NamedTensors {
    return {{"preview", preview_of(padding.cropped(x_BCTHW), options.preview_size)},
            {"step", at::scalar_tensor(step, at::kLong)}};
  };
  StageDenoiser network(stage, options.prediction);
  Quiet quiet(network);
  TiledDenoiser tiled(quiet, options.tiling, config.stride());
  Denoiser& denoiser = options.tiling.size > 0 ? static_cast<Denoiser&>(tiled) : quiet;
  const at::Tensor video = sample(denoiser, options.schedule, options.sampler, request, context);
  return {{"video", padding.cropped(video).clamp(-1, 1).to(at::kFloat).contiguous()}};
}

}  // namespace torchsight::imagen_video
