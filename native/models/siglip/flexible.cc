#include "models/siglip/flexible.h"

#include <ATen/ATen.h>

#include <cmath>

#include "nn/parameters.h"
#include "runtime/accelerator.h"
#include "runtime/error.h"

namespace torchsight::siglip {

FlexibleTower::FlexibleTower(const SiglipVisionConfig& config, const ModuleOptions& options)
    : config_(config), trunk_(config.encoder, config.head, options) {
  const auto memory = tensor_options(options);
  const int64_t d = config.encoder.width;
  patches_ = Linear(at::empty({d, config.channels * config.patch * config.patch}, memory));
  patches_bias_ = at::empty({d}, memory);
  positions_Nd_ = at::empty({config.grid() * config.grid(), d}, memory);
}

void FlexibleTower::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  add_linear(parameters, prefix + "embeddings.patch_embedding", patches_, patches_bias_,
             {Init::Kind::kLecunNormal});
  add_parameter(parameters, prefix + "embeddings.position_embedding.weight", positions_Nd_,
                normal(1 / std::sqrt(static_cast<double>(config_.encoder.width))));
  trunk_.add_parameters(parameters, prefix);
}

// The table resized to each picture's grid, as transformers does; padding has the first position.
at::Tensor FlexibleTower::positions(const at::Tensor& shapes_B2, int64_t tokens) const {
  const int64_t grid = config_.grid(), batch = shapes_B2.size(0);
  const auto dtype = at::promote_types(positions_Nd_.scalar_type(), at::kFloat);
  const at::Tensor table_1dhw =
      positions_Nd_.to(dtype).t().reshape({1, config_.encoder.width, grid, grid});
  at::Tensor result_BNd =
      at::empty({batch, tokens, config_.encoder.width}, positions_Nd_.options());
  const at::Tensor shapes = shapes_B2.to(at::kCPU, at::kLong).contiguous();
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t rows = shapes[b][0].item<int64_t>(), columns = shapes[b][1].item<int64_t>();
    // Each side by itself, before their product could be anything at all.
    const bool fits = rows > 0 && columns > 0 && rows <= tokens && columns <= tokens;
    if (!fits || rows * columns > tokens) {
      throw Error(ErrorCode::kBadInput,
                  "expected rows and columns of at most " + std::to_string(tokens) +
                      " patches for spatial_shapes but received " + std::to_string(rows) + " by " +
                      std::to_string(columns));
    }
    const at::Tensor resized_1dhw =
        at::_upsample_bilinear2d_aa(table_1dhw, {rows, columns}, /*align_corners=*/false);
    const at::Tensor resized_nd =
        resized_1dhw.flatten(2).squeeze(0).t().to(positions_Nd_.scalar_type());
    const int64_t count = rows * columns;
    result_BNd[b].narrow(0, 0, count).copy_(resized_nd);
    result_BNd[b].narrow(0, count, tokens - count).copy_(resized_nd.narrow(0, 0, 1));
  }
  return result_BNd;
}

at::Tensor FlexibleTower::seen(const Patches& patches) const {
  const at::Tensor seen_BN = patches.mask_BN.to(positions_Nd_.device()).ne(0);
  if (!seen_BN.any(1).all().item<bool>()) {
    throw Error(ErrorCode::kBadInput,
                "expected a patch to see in each picture for pixel_attention_mask but received "
                "none");
  }
  return seen_BN;
}

at::Tensor FlexibleTower::forward(const Patches& patches, Trace& trace) {
  const int64_t batch = patches.values_BNI.size(0), tokens = patches.values_BNI.size(1);
  if (batch < 1 || tokens < 1) {
    throw Error(ErrorCode::kShape,
                "expected at least one patch for pixel_values but received none");
  }
  const at::Tensor seen_BN = seen(patches);
  const at::Tensor positions_BNd = positions(patches.shapes_B2, tokens);
  const at::Tensor values_RI = onto(patches.values_BNI, positions_Nd_.device())
                                   .to(positions_Nd_.scalar_type())
                                   .flatten(0, 1);
  const at::Tensor x_BNd = patches_(values_RI, patches_bias_).unflatten(0, {batch, tokens});
  return trunk_.forward(x_BNd + positions_BNd, trace, seen_BN);
}

at::Tensor FlexibleTower::pool(const at::Tensor& x_BNd, const Patches& patches) {
  return trunk_.pool(x_BNd, seen(patches));
}

}  // namespace torchsight::siglip
