#include "nn/siglip_vision.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "nn/patches.h"
#include "runtime/error.h"

namespace torchsight {
namespace {

// Far above any model that exists; they keep every product of sizes within int64_t.
constexpr int64_t kMaxWidth = 1 << 18;
constexpr int64_t kMaxDepth = 1 << 12;
constexpr int64_t kMaxHidden = 1 << 20;
constexpr int64_t kMaxPixels = 1 << 15;
constexpr int64_t kMaxPatch = 1 << 12;
constexpr int64_t kMaxChannels = 1 << 10;

}  // namespace

SiglipVisionConfig SiglipVisionConfig::from_json(const ConfigReader& config) {
  SiglipVisionConfig c;
  c.encoder.width = config.size("hidden_size", kMaxWidth, 768);
  c.encoder.depth = config.size("num_hidden_layers", kMaxDepth, 12);
  c.encoder.heads = config.size("num_attention_heads", kMaxWidth, 12);
  c.encoder.hidden = config.size("intermediate_size", kMaxHidden, 3072);
  c.encoder.norm_eps = config.positive("layer_norm_eps", 1, 1e-6);
  c.encoder.activation =
      config.choice<Activation>("hidden_act", {{"gelu_pytorch_tanh", Activation::kGeluTanh},
                                               {"gelu_new", Activation::kGeluTanh},
                                               {"gelu", Activation::kGelu},
                                               {"quick_gelu", Activation::kQuickGelu}});
  c.image = config.size("image_size", kMaxPixels, c.image);
  c.patch = config.size("patch_size", kMaxPatch, c.patch);
  c.channels = config.size("num_channels", kMaxChannels, c.channels);
  c.head = config.flag("vision_use_head", true);
  if (c.encoder.width % c.encoder.heads != 0) {
    config.refuse("a divisor of hidden_size " + std::to_string(c.encoder.width),
                  "num_attention_heads", std::to_string(c.encoder.heads));
  }
  if (c.grid() < 1) {
    config.refuse("at most image_size " + std::to_string(c.image), "patch_size",
                  std::to_string(c.patch));
  }
  return c;
}

SiglipVisionTower::SiglipVisionTower(const SiglipVisionConfig& config, const ModuleOptions& options)
    : config_(config),
      post_norm_(make_norm(NormKind::kLayerNorm, true, config.encoder.norm_eps,
                           config.encoder.width, options)),
      layers_(config.encoder, "vision", options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.encoder.width;
  patches_ = Linear(at::empty({d, config.channels * config.patch * config.patch}, memory));
  patch_bias_d_ = at::empty({d}, memory);
  positions_Nd_ = at::empty({config.grid() * config.grid(), d}, memory);
}

void SiglipVisionTower::add_parameters(std::vector<Parameter>& parameters,
                                       const std::string& prefix) {
  const int64_t d = config_.encoder.width, p = config_.patch;
  const double width = static_cast<double>(d);
  add_parameter(parameters, prefix + "embeddings.patch_embedding.weight",
                patches_.weight().view({d, config_.channels, p, p}),
                {Init::Kind::kLecunNormal, 0, config_.channels * p * p, d});
  add_parameter(parameters, prefix + "embeddings.patch_embedding.bias", patch_bias_d_, kZeros);
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Nd_,
                normal(1 / std::sqrt(width)));
  layers_.add_parameters(parameters, prefix + "encoder");
  add_norm(parameters, prefix + "post_layernorm", post_norm_);
}

at::Tensor SiglipVisionTower::positions(int64_t rows, int64_t columns, bool square,
                                        PositionResize resize) const {
  const int64_t grid = config_.grid();
  // transformers resizes for every picture that is not square, even to the same grid.
  const bool own = rows == grid && columns == grid;
  if (own && (square || resize != PositionResize::kBicubic)) return positions_Nd_;
  if (resize == PositionResize::kNone) {
    const std::string side = std::to_string(grid);
    throw Error(ErrorCode::kShape, "expected pictures of " + side + " by " + side +
                                       " patches for pixel_values but received " +
                                       std::to_string(rows) + " by " + std::to_string(columns));
  }
  const auto dtype = at::promote_types(positions_Nd_.scalar_type(), at::kFloat);
  const at::Tensor table_1dhw = positions_Nd_.unflatten(0, {grid, grid})
                                    .to(dtype)
                                    .permute({2, 0, 1})
                                    .unsqueeze(0)
                                    .contiguous();
  const at::Tensor resized_1dhw =
      resize == PositionResize::kLinear
          ? at::upsample_bilinear2d(table_1dhw, {rows, columns}, /*align_corners=*/true)
          : at::upsample_bicubic2d(table_1dhw, {rows, columns}, /*align_corners=*/false);
  return resized_1dhw.squeeze(0).flatten(1).t().to(positions_Nd_.scalar_type());
}

at::Tensor SiglipVisionTower::forward(const at::Tensor& pixels_BCHW, PositionResize resize,
                                      Trace& trace) {
  const bool square = pixels_BCHW.size(2) == pixels_BCHW.size(3);
  const at::Tensor patches_BhwI =
      cut_patches(pixels_BCHW.to(positions_Nd_.options()), config_.patch);
  const int64_t batch = patches_BhwI.size(0), rows = patches_BhwI.size(1);
  const int64_t columns = patches_BhwI.size(2);
  const at::Tensor positions_Nd = positions(rows, columns, square, resize);
  const at::Tensor patches_BNd =
      patches_(patches_BhwI.flatten(0, 2), patch_bias_d_).unflatten(0, {batch, rows * columns});
  return post_norm_(layers_.forward(patches_BNd + positions_Nd, trace));
}

}  // namespace torchsight
