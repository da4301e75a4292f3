#include "models/owlvit/vision.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "nn/patches.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight::owlvit {
namespace {

[[noreturn]] void wrong_size(int64_t rows, int64_t columns, const std::string& expected) {
  throw Error(ErrorCode::kShape, "expected pictures of " + expected +
                                     " patches for pixel_values but received " +
                                     std::to_string(rows) + " by " + std::to_string(columns));
}

}  // namespace

VisionTower::VisionTower(const Config& config, const ModuleOptions& options)
    : config_(config), layers_(config.vision, "vision", options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.vision.width;
  const auto norm = [&](double eps) {
    return make_norm(NormKind::kLayerNorm, true, eps, d, options);
  };
  patches_ = Linear(at::empty({d, config.channels * config.patch * config.patch}, memory));
  class_token_d_ = at::empty({d}, memory);
  positions_Nd_ = at::empty({config.grid() * config.grid() + 1, d}, memory);
  pre_norm_ = norm(config.vision.norm_eps);
  post_norm_ = norm(config.vision.norm_eps);
  if (config.merge == MergeClassToken::kMultiply) merged_norm_ = norm(config.merged_norm_eps);
}

void VisionTower::add_parameters(std::vector<Parameter>& parameters) {
  const std::string prefix = config_.model_type + ".vision_model.";
  const int64_t d = config_.vision.width, p = config_.patch;
  const Init small = normal(0.02);
  add_parameter(parameters, prefix + "embeddings.class_embedding", class_token_d_,
                normal(1 / std::sqrt(static_cast<double>(d))));
  add_parameter(parameters, prefix + "embeddings.patch_embedding.weight",
                patches_.weight().view({d, config_.channels, p, p}), small);
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Nd_, small);
  add_norm(parameters, prefix + "pre_layernorm", pre_norm_);
  layers_.add_parameters(parameters, prefix + "encoder");
  add_norm(parameters, prefix + "post_layernorm", post_norm_);
  if (merged_norm_.weight.defined()) add_norm(parameters, "layer_norm", merged_norm_);
}

at::Tensor VisionTower::positions(int64_t rows, int64_t columns, bool square,
                                  Positions kind) const {
  const int64_t grid = config_.grid();
  if (rows == grid && columns == grid && (square || kind != Positions::kInterpolate)) {
    return positions_Nd_;
  }
  const std::string own = std::to_string(grid) + " by " + std::to_string(grid);
  if (kind == Positions::kTable) wrong_size(rows, columns, own);
  const at::Tensor class_1d = positions_Nd_.narrow(0, 0, 1);
  const at::Tensor table_hwd = positions_Nd_.narrow(0, 1, grid * grid).unflatten(0, {grid, grid});
  if (kind == Positions::kTruncate) {
    if (rows > grid || columns > grid) wrong_size(rows, columns, "at most " + own);
    const at::Tensor kept_hwd = table_hwd.narrow(0, 0, rows).narrow(1, 0, columns);
    return at::cat({class_1d, kept_hwd.reshape({rows * columns, -1})});
  }
  const auto dtype = at::promote_types(positions_Nd_.scalar_type(), at::kFloat);
  const at::Tensor table_1dhw = table_hwd.to(dtype).permute({2, 0, 1}).unsqueeze(0).contiguous();
  const at::Tensor resized_1dhw =
      at::upsample_bicubic2d(table_1dhw, {rows, columns}, /*align_corners=*/false);
  const at::Tensor resized_Nd = resized_1dhw.squeeze(0).flatten(1).t();
  return at::cat({class_1d, resized_Nd.to(positions_Nd_.scalar_type())});
}

at::Tensor VisionTower::forward(const at::Tensor& pixels_BCHW, Positions kind, Trace& trace) {
  const bool square = pixels_BCHW.size(2) == pixels_BCHW.size(3);
  const at::Tensor patches_BhwI = cut_patches(
      onto(pixels_BCHW, positions_Nd_.device()).to(positions_Nd_.scalar_type()), config_.patch);
  const int64_t batch = patches_BhwI.size(0), rows = patches_BhwI.size(1);
  const int64_t columns = patches_BhwI.size(2), d = config_.vision.width;
  const at::Tensor positions_Nd = positions(rows, columns, square, kind);
  const at::Tensor patches_BNd =
      patches_(patches_BhwI.flatten(0, 2)).unflatten(0, {batch, rows * columns});
  at::Tensor x_BNd = at::cat({class_token_d_.expand({batch, 1, d}), patches_BNd}, 1);
  x_BNd = post_norm_(layers_.forward(pre_norm_(x_BNd.add_(positions_Nd)), trace));

  at::Tensor features_BNd = x_BNd.narrow(1, 1, rows * columns);
  if (config_.merge == MergeClassToken::kMultiply) {
    features_BNd = merged_norm_(features_BNd * x_BNd.narrow(1, 0, 1));
  }
  return features_BNd.reshape({batch, rows, columns, d});
}

}  // namespace torchsight::owlvit
