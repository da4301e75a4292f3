#include "models/imagen_video/given.h"

#include <ATen/ATen.h>

#include "diffusion/augmentation.h"
#include "runtime/error.h"

namespace torchsight::imagen_video {

using namespace diffusion;

namespace {

constexpr double kClean = 20;  // logsnr of a small video that is as it was

at::Tensor optional(const Call& call, std::string_view name) {
  const at::Tensor* tensor = find_tensor(call.inputs, name);
  return tensor ? *tensor : at::Tensor();
}

}  // namespace

Given::Given(const Config& config, const SamplingOptions& options, const Padding& padding,
             const at::TensorOptions& values, const Call& call)
    : config_(config),
      options_(options),
      padding_(padding),
      values_(values),
      call_(call),
      batch_(static_cast<int64_t>(options.seeds.size())) {
  for (const auto& [name, tensor] : call.inputs) {
    if (tensor.size(0) == batch_) continue;
    refuse(ErrorCode::kShape, std::to_string(batch_) + " samples, one for each seed,", name,
           std::to_string(tensor.size(0)));
  }
}

at::Tensor Given::start() const {
  return options_.sampler.skip > 0 ? framed("start") : at::Tensor();
}

void Given::refuse(ErrorCode code, const std::string& expected, std::string_view tensor,
                   const std::string& received) const {
  throw Error(code, "expected " + expected + " for " + std::string(tensor) + " of stage " +
                        options_.name + " but received " + received);
}

Conditions Given::conditions(const NoiseStreams& streams) const {
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

bool Given::guided() const {
  const Guidance& guidance = options_.sampler.guidance;
  return guidance.passes != Guidance::Passes::kOne &&
         (guidance.weight > 0 ||
          (guidance.kind == Guidance::Kind::kOscillating && guidance.low > 0));
}

NamedTensors Given::texts(const char* name, const char* mask_name) const {
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

NamedTensors Given::low_res(const NoiseStreams& streams) const {
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
    const at::Tensor mask_B1THW = padding_.padded(options_.shape.mask(small_BCthw.narrow(1, 0, 1)));
    told.c_BS = at::cat({told.c_BS, mask_B1THW}, 1);
  }
  if (told.c_BS.size(1) != config_.low_res_channels) {
    refuse(ErrorCode::kShape,
           std::to_string(config_.low_res_channels) + " channels, the mask of blank included,",
           "small", std::to_string(told.c_BS.size(1)));
  }
  return {{"low_res", told.c_BS}, {"low_res_logsnr", told.logsnr_B}};
}

std::optional<Known> Given::known() const {
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

at::Tensor Given::framed(const char* name) const {
  const at::Tensor video = optional(call_, name);
  const std::vector<int64_t> sizes{batch_, config_.channels, options_.shape.frames,
                                   options_.shape.height, options_.shape.width};
  if (!video.defined() || video.sizes() != at::IntArrayRef(sizes)) {
    refuse(ErrorCode::kShape, c10::str(at::IntArrayRef(sizes)), name,
           video.defined() ? c10::str(video.sizes()) : "nothing");
  }
  return padding_.padded(video.to(values_));
}

}  // namespace torchsight::imagen_video
