#include "models/imagen_video/tiling.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "runtime/config_reader.h"

namespace torchsight::imagen_video {
namespace {

constexpr int64_t kMostPixels = 1 << 16;

// A tile's place along one side, and how much it counts at each of its pixels.
struct Span {
  int64_t begin, length;
  at::Tensor weight_N;
};

// From 0 within the halo to 1 past the overlap, by the distance from an edge.
double ramp(int64_t distance, const Tiling& tiling) {
  const auto width = static_cast<double>(tiling.overlap - 2 * tiling.halo);
  const double inside = static_cast<double>(distance - tiling.halo) + 0.5;
  return std::clamp(width > 0 ? inside / width : inside + 0.5, 0.0, 1.0);
}

at::Tensor weights(int64_t begin, int64_t length, int64_t side, const Tiling& tiling) {
  at::Tensor weight_N = at::ones({length}, at::kDouble);
  double* values = weight_N.mutable_data_ptr<double>();
  for (int64_t i = 0; i < length; ++i) {
    if (begin > 0) values[i] *= ramp(i, tiling);
    if (begin + length < side) values[i] *= ramp(length - 1 - i, tiling);
  }
  return weight_N;
}

// The last span ends with the side, however much it then overlaps.
std::vector<Span> spans_of(int64_t side, const Tiling& tiling, int64_t stride,
                           const at::TensorOptions& options) {
  const int64_t length = std::min(tiling.size, side);
  const int64_t step = std::max(stride, (length - tiling.overlap) / stride * stride);
  std::vector<Span> spans;
  for (int64_t begin = 0;; begin += step) {
    begin = std::min(begin, side - length);
    spans.push_back({begin, length, weights(begin, length, side, tiling).to(options)});
    if (begin + length == side) return spans;
  }
}

}  // namespace

Tiling Tiling::from_json(const Json& json, int64_t stride) {
  const ConfigReader reader(json, "tile.");
  Tiling tiling;
  tiling.size = reader.size("size", kMostPixels);
  tiling.overlap = reader.size("overlap", tiling.size - 1, 0, 0);
  tiling.halo = reader.size("halo", tiling.overlap / 2, 0, 0);
  for (const auto& [name, value] : {std::pair{"size", tiling.size}, {"overlap", tiling.overlap}}) {
    if (value % stride == 0) continue;
    reader.refuse("a multiple of " + std::to_string(stride), name, std::to_string(value));
  }
  return tiling;
}

at::Tensor TiledDenoiser::predict(const at::Tensor& z_BCTHW, const at::Tensor& logsnr_B,
                                  const NamedTensors& conditions, JobContext& context) {
  const int64_t height = z_BCTHW.size(3), width = z_BCTHW.size(4);
  const std::vector<Span> rows = spans_of(height, tiling_, stride_, z_BCTHW.options());
  const std::vector<Span> columns = spans_of(width, tiling_, stride_, z_BCTHW.options());
  at::Tensor sum_BCTHW = at::zeros_like(z_BCTHW);
  at::Tensor weight_HW = at::zeros({height, width}, z_BCTHW.options());
  for (const Span& row : rows) {
    for (const Span& column : columns) {
      context.checkpoint();
      const auto cut = [&](const at::Tensor& x) {
        return x.narrow(-2, row.begin, row.length).narrow(-1, column.begin, column.length);
      };
      NamedTensors own;
      for (const auto& [name, tensor] : conditions) {
        const bool framed =
            tensor.dim() == 5 && tensor.size(3) == height && tensor.size(4) == width;
        own.emplace_back(name, framed ? cut(tensor) : tensor);
      }
      const at::Tensor said = inner_.predict(cut(z_BCTHW), logsnr_B, own, context);
      const at::Tensor share_HW = row.weight_N.unsqueeze(1) * column.weight_N;
      cut(sum_BCTHW).add_(said.to(z_BCTHW.scalar_type()) * share_HW);
      cut(weight_HW).add_(share_HW);
    }
  }
  return sum_BCTHW / weight_HW;
}

}  // namespace torchsight::imagen_video
