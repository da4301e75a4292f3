#include "nn/siglip_vision.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "nn/patches.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight {

double SiglipVisionConfig::weights() const {
  const double d = static_cast<double>(encoder.width);
  const double rows = static_cast<double>(channels * patch * patch + grid() * grid());
  return encoder.weights() + d * rows;
}

SiglipVisionConfig SiglipVisionConfig::from_json(const ConfigReader& config) {
  SiglipVisionConfig c;
  c.encoder = EncoderConfig::from_json(
      config, {768, 12, 12, 3072, Activation::kGeluTanh, 1e-6, EncoderInit::kXavier});
  c.image = config.size("image_size", tower_limits::kPixels, c.image);
  c.patch = config.size("patch_size", tower_limits::kPatch, c.patch);
  c.channels = config.size("num_channels", tower_limits::kChannels, c.channels);
  c.head = config.flag("vision_use_head", c.head);
  if (c.grid() < 1) {
    config.refuse("at most image_size " + std::to_string(c.image), "patch_size",
                  std::to_string(c.patch));
  }
  return c;
}

at::Tensor resize_positions(const at::Tensor& positions_Nd, int64_t rows, int64_t columns,
                            PositionResize resize) {
  const int64_t grid = std::llround(std::sqrt(static_cast<double>(positions_Nd.size(0))));
  const auto dtype = at::promote_types(positions_Nd.scalar_type(), at::kFloat);
  const at::Tensor table_1dhw = positions_Nd.to(dtype).t().reshape({1, -1, grid, grid});
  const bool linear = resize == PositionResize::kLinear;
  const at::Tensor resized_1dhw =
      linear ? at::upsample_bilinear2d(table_1dhw, {rows, columns}, /*align_corners=*/true)
             : at::upsample_bicubic2d(table_1dhw, {rows, columns}, /*align_corners=*/false);
  return resized_1dhw.squeeze(0).flatten(1).t().to(positions_Nd.scalar_type());
}

SiglipVisionTower::SiglipVisionTower(const SiglipVisionConfig& config, const ModuleOptions& options)
    : config_(config), trunk_(config.encoder, config.head, options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.encoder.width;
  patches_ = Linear(at::empty({d, config.channels * config.patch * config.patch}, memory));
  patches_bias_ = at::empty({d}, memory);
  positions_Nd_ = at::empty({config.grid() * config.grid(), d}, memory);
}

void SiglipVisionTower::add_parameters(std::vector<Parameter>& parameters,
                                       const std::string& prefix) {
  const int64_t d = config_.encoder.width, p = config_.patch;
  add_parameter(parameters, prefix + "embeddings.patch_embedding.weight",
                patches_.weight().view({d, config_.channels, p, p}), {Init::Kind::kLecunNormal});
  add_parameter(parameters, prefix + "embeddings.patch_embedding.bias", patches_bias_, kZeros);
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Nd_,
                normal(1 / std::sqrt(static_cast<double>(d))));
  trunk_.add_parameters(parameters, prefix);
}

at::Tensor SiglipVisionTower::positions(int64_t rows, int64_t columns,
                                        PositionResize resize) const {
  const int64_t grid = config_.grid();
  if (rows == grid && columns == grid) return positions_Nd_;
  if (resize == PositionResize::kNone) {
    throw Error(ErrorCode::kShape, "expected pictures of " + std::to_string(grid) + " by " +
                                       std::to_string(grid) +
                                       " patches for pixel_values but received " +
                                       std::to_string(rows) + " by " + std::to_string(columns));
  }
  return resize_positions(positions_Nd_, rows, columns, resize);
}

at::Tensor SiglipVisionTower::forward(const at::Tensor& pixels_BCHW, PositionResize resize,
                                      Trace& trace) {
  const at::Tensor patches_BhwI = cut_patches(
      onto(pixels_BCHW, positions_Nd_.device()).to(positions_Nd_.scalar_type()), config_.patch);
  const int64_t batch = patches_BhwI.size(0);
  const at::Tensor positions_Nd = positions(patches_BhwI.size(1), patches_BhwI.size(2), resize);
  const at::Tensor x_BNd =
      patches_(patches_BhwI.flatten(0, 2), patches_bias_).unflatten(0, {batch, -1});
  return trunk_.forward(x_BNd + positions_Nd, trace);
}

}  // namespace torchsight
