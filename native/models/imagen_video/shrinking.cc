#include "models/imagen_video/shrinking.h"

#include <ATen/ATen.h>

#include "runtime/error.h"

namespace torchsight::imagen_video {
namespace {

constexpr int64_t kMostFactor = 64;

}  // namespace

int64_t Shrinking::channels(int64_t channels) const {
  return kind == Kind::kTime && fill == Fill::kBlank ? channels + 1 : channels;
}

at::Tensor Shrinking::operator()(const at::Tensor& x_BCTHW) const {
  const bool time = kind == Kind::kTime;
  for (const int64_t dim : time ? std::vector<int64_t>{2} : std::vector<int64_t>{3, 4}) {
    if (x_BCTHW.size(dim) % factor == 0) continue;
    throw Error(ErrorCode::kShape, std::string("expected ") +
                                       (time ? "frames" : "height and width") +
                                       " that are multiples of " + std::to_string(factor) +
                                       " for video but received " + c10::str(x_BCTHW.sizes()));
  }
  if (time) return x_BCTHW.slice(2, 0, x_BCTHW.size(2), factor);
  return at::avg_pool2d(x_BCTHW.transpose(1, 2).flatten(0, 1), {factor, factor})
      .unflatten(0, {x_BCTHW.size(0), x_BCTHW.size(2)})
      .transpose(1, 2);
}

Enlarging Shrinking::enlarging(const at::Tensor& x_BCTHW) const {
  return {x_BCTHW.size(2), x_BCTHW.size(3), x_BCTHW.size(4), fill, align_corners};
}

Shrinking Shrinking::from_json(const ConfigReader& reader) {
  Shrinking shrinking;
  shrinking.kind = reader.choice<Kind>("kind", {{"space", Kind::kSpace}, {"time", Kind::kTime}});
  shrinking.factor = reader.size("factor", kMostFactor, shrinking.factor, 2);
  shrinking.fill =
      reader.choice<Fill>("fill", {{"repeat", Fill::kRepeat}, {"blank", Fill::kBlank}});
  shrinking.align_corners = reader.flag("align_corners", false);
  return shrinking;
}

}  // namespace torchsight::imagen_video
