#include "models/vit22b/embedding.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "nn/patches.h"

namespace torchsight::vit22b {

Embedding::Embedding(const Config& config, const ModuleOptions& options) : config_(config) {
  const auto memory = tensor_options(options);
  const int64_t d = config.width;
  patches_ = Linear(at::empty({d, config.channels * config.patch * config.patch}, memory));
  patch_bias_ = at::empty({d}, memory);
  positions_Nd_ = at::empty({config.grid_height() * config.grid_width(), d}, memory);
  if (config.class_token) class_token_ = at::empty({1, d}, memory);
}

void Embedding::add_parameters(std::vector<Parameter>& parameters) {
  const Init positions{Init::Kind::kNormal, 1 / std::sqrt(static_cast<double>(config_.width))};
  add_parameter(parameters, "patch_embed.weight", patches_.weight(), {Init::Kind::kLecunNormal});
  add_parameter(parameters, "patch_embed.bias", patch_bias_, kZeros);
  add_parameter(parameters, "pos_embed", positions_Nd_, positions);
  if (class_token_.defined()) add_parameter(parameters, "cls_token", class_token_, kZeros);
}

at::Tensor Embedding::positions(int64_t grid_height, int64_t grid_width) const {
  if (grid_height == config_.grid_height() && grid_width == config_.grid_width()) {
    return positions_Nd_;
  }
  const auto dtype = at::promote_types(positions_Nd_.scalar_type(), at::kFloat);
  const at::Tensor table_1dhw = positions_Nd_.to(dtype)
                                    .t()
                                    .unflatten(1, {config_.grid_height(), config_.grid_width()})
                                    .unsqueeze(0)
                                    .contiguous();
  const std::vector<int64_t> size{grid_height, grid_width};
  const at::Tensor resized_1dhw =
      config_.position_resize == PositionResize::kBilinear
          ? at::upsample_bilinear2d(table_1dhw, size, /*align_corners=*/true)
          : at::_upsample_bicubic2d_aa(table_1dhw, size, /*align_corners=*/false);
  return resized_1dhw.squeeze(0).flatten(1).t().to(positions_Nd_.scalar_type());
}

at::Tensor Embedding::forward(const at::Tensor& pixels_BCHW) {
  const at::Tensor patches_BhwI =
      cut_patches(pixels_BCHW.to(positions_Nd_.scalar_type()), config_.patch);
  const int64_t batch = patches_BhwI.size(0), rows = patches_BhwI.size(1);
  const int64_t columns = patches_BhwI.size(2);
  const at::Tensor x_Rd = patches_(patches_BhwI.flatten(0, 2), patch_bias_);
  const at::Tensor x_BNd = x_Rd.unflatten(0, {batch, rows * columns}) + positions(rows, columns);
  if (!class_token_.defined()) return x_BNd;
  return at::cat({class_token_.expand({batch, 1, config_.width}), x_BNd}, 1);
}

}  // namespace torchsight::vit22b
