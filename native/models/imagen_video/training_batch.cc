#include "models/imagen_video/training_batch.h"

#include <ATen/ATen.h>

#include <cmath>

#include "diffusion/augmentation.h"
#include "nn/encoder_config.h"
#include "runtime/error.h"

namespace torchsight::imagen_video {
namespace {

constexpr double kHalfLevels = 127.5;
constexpr int64_t kMostSeed = int64_t{1} << 53;

at::Tensor optional(const Call& call, std::string_view name) {
  const at::Tensor* tensor = find_tensor(call.inputs, name);
  return tensor ? *tensor : at::Tensor();
}

// [B, T, H, W, C] to [B, C, T, H, W] from -1 to 1.
at::Tensor clips_of(const at::Tensor& video_BTHWC, const at::TensorOptions& memory) {
  const at::Tensor x_BCTHW = video_BTHWC.permute({0, 4, 1, 2, 3});
  if (x_BCTHW.is_floating_point()) return x_BCTHW.to(memory).contiguous();
  return x_BCTHW.to(memory).div_(kHalfLevels).sub_(1).contiguous();
}

diffusion::NoiseStreams streams_of(const Call& call, int64_t batch, int64_t seed) {
  const at::Tensor given_B = optional(call, "stream");
  std::vector<diffusion::NoiseStreams::Stream> streams;
  for (int64_t b = 0; b < batch; ++b) {
    streams.push_back({seed, given_B.defined() ? given_B[b].item<int64_t>() : call.stream + b});
  }
  return diffusion::NoiseStreams(std::move(streams));
}

// A place from 0 to `room` for each sample.
at::Tensor places(const at::Tensor& uniform_B, int64_t room) {
  return (uniform_B * static_cast<double>(room + 1)).floor().to(at::kLong);
}

class Cropper {
 public:
  Cropper(const TrainingBatch& batch, std::pair<int64_t, int64_t> size) : size_(size) {
    const at::Tensor& x = batch.x_BCTHW;
    const auto [height, width] = size;
    if (height > x.size(3) || width > x.size(4)) {
      throw Error(ErrorCode::kShape, "expected a video of at least " + std::to_string(height) +
                                         " x " + std::to_string(width) +
                                         ", the size of its parts, but received " +
                                         c10::str(x.sizes()));
    }
    rows_ = places(uniform(batch, Draw::kRow), x.size(3) - height);
    columns_ = places(uniform(batch, Draw::kColumn), x.size(4) - width);
  }

  at::Tensor operator()(const at::Tensor& x_BCTHW) const {
    std::vector<at::Tensor> parts;
    for (int64_t b = 0; b < x_BCTHW.size(0); ++b) {
      parts.push_back(x_BCTHW[b]
                          .narrow(2, rows_[b].item<int64_t>(), size_.first)
                          .narrow(3, columns_[b].item<int64_t>(), size_.second));
    }
    return at::stack(parts);
  }

 private:
  std::pair<int64_t, int64_t> size_;
  at::Tensor rows_, columns_;
};

// The small video at full size. Pictures that are to be made more in time are all there are.
at::Tensor enlarged_small(const Shrinking& shrinking, const at::Tensor& x_BCTHW,
                          const at::Tensor& is_image_B) {
  const at::Tensor up_BCTHW = shrinking.enlarging(x_BCTHW)(shrinking(x_BCTHW));
  if (shrinking.kind == Shrinking::Kind::kSpace || !is_image_B.defined()) return up_BCTHW;
  return at::where(is_image_B.to(x_BCTHW.device()).view({-1, 1, 1, 1, 1}), x_BCTHW, up_BCTHW);
}

// 1 at frames that the small video has, [B, 1, T, H, W].
at::Tensor frames_given(const Shrinking& shrinking, const at::Tensor& x_BCTHW,
                        const at::Tensor& is_image_B) {
  const at::Tensor mask_B1THW = shrinking.enlarging(x_BCTHW).mask(shrinking(x_BCTHW));
  if (!is_image_B.defined()) return mask_B1THW;
  return mask_B1THW.maximum(is_image_B.to(x_BCTHW.options()).view({-1, 1, 1, 1, 1}));
}

void add_text(TrainingBatch& batch, const Call& call, double dropout) {
  const at::Tensor text_BLW = optional(call, "text");
  if (!text_BLW.defined()) {
    if (!optional(call, "text_mask").defined()) return;
    throw Error(ErrorCode::kBadInput, "expected text beside text_mask but received nothing");
  }
  at::Tensor mask_BL = optional(call, "text_mask");
  mask_BL = mask_BL.defined()
                ? mask_BL.ne(0)
                : at::ones({text_BLW.size(0), text_BLW.size(1)}, at::kBool).to(text_BLW.device());
  const at::Tensor kept_B1 = uniform(batch, Draw::kDropout).ge(dropout).unsqueeze(1);
  auto& [given, without] = batch.conditions;
  // A text of which nothing is seen is the empty condition.
  given = {{"text", text_BLW}, {"text_mask", mask_BL.logical_and(kept_B1.to(mask_BL.device()))}};
  without = {{"text", text_BLW}, {"text_mask", at::zeros_like(mask_BL)}};
}

// What texts do not change.
void add_to_both(diffusion::Conditions& conditions, const char* name, const at::Tensor& tensor) {
  conditions.given.emplace_back(name, tensor);
  conditions.without.emplace_back(name, tensor);
}

}  // namespace

BatchOptions BatchOptions::from_json(const ConfigReader& reader, const Config& config,
                                     double text_dropout) {
  BatchOptions options;
  options.schedule = diffusion::NoiseSchedule::from_json(reader.section("schedule"));
  options.text_dropout = reader.number("text_dropout", 0, 1, text_dropout);
  options.seed = reader.size("seed", kMostSeed, 0, 0);
  if (config.low_res_channels > 0) {
    options.low_res = Shrinking::from_json(reader.section("low_res"));
    const int64_t channels = options.low_res->channels(config.channels);
    if (channels != config.low_res_channels) {
      reader.refuse(std::to_string(config.low_res_channels) +
                        " channels, as low_res_channels of the stage has it,",
                    "low_res", std::to_string(channels));
    }
  }
  options.crop = reader.sides("crop", tower_limits::kWidth, 0);
  return options;
}

at::Tensor uniform(const TrainingBatch& batch, Draw draw) {
  return batch.streams.uniform(static_cast<int64_t>(draw));
}

std::vector<TensorSpec> batch_inputs(const Config& config) {
  const std::vector<at::ScalarType> floats{at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};
  return {{"video",
           {at::kByte, at::kFloat, at::kDouble},
           {"B", "T", "H", "W", std::to_string(config.channels)},
           false,
           0},
          {"text", floats, {"B", "L", std::to_string(config.text_width)}, true, 0},
          {"text_mask", {at::kLong, at::kBool, at::kFloat}, {"B", "L"}, true, 0},
          {"is_image", {at::kBool}, {"B"}, true, 0},
          {"stream", {at::kLong}, {"B"}, true, 0}};
}

TrainingBatch training_batch(const Call& call, const Config& config, const BatchOptions& options,
                             const at::TensorOptions& memory) {
  const at::Tensor& video = call.input("video");
  TrainingBatch batch{
      clips_of(video, memory), {}, {}, streams_of(call, video.size(0), options.seed)};
  const at::Tensor is_image_B = optional(call, "is_image");
  add_text(batch, call, options.text_dropout);
  if (is_image_B.defined()) add_to_both(batch.conditions, "is_image", is_image_B);
  at::Tensor small_BCTHW;
  if (options.low_res) {
    small_BCTHW = enlarged_small(*options.low_res, batch.x_BCTHW, is_image_B);
  }
  if (options.crop.first > 0) {
    const Cropper crop(batch, options.crop);
    batch.x_BCTHW = crop(batch.x_BCTHW);
    if (options.low_res) small_BCTHW = crop(small_BCTHW);
  }
  batch.epsilon_BCTHW = batch.streams.normal(batch.x_BCTHW, static_cast<int64_t>(Draw::kNoise));
  if (!options.low_res) return batch;
  auto [c_BCTHW, logsnr_B] = diffusion::augmented_at_random(
      small_BCTHW, options.schedule, batch.streams, static_cast<int64_t>(Draw::kLowResTime));
  if (config.low_res_channels > config.channels) {
    c_BCTHW = at::cat({c_BCTHW, frames_given(*options.low_res, c_BCTHW, is_image_B)}, 1);
  }
  add_to_both(batch.conditions, "low_res", c_BCTHW);
  add_to_both(batch.conditions, "low_res_logsnr", logsnr_B);
  return batch;
}

}  // namespace torchsight::imagen_video
