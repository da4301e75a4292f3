#include "nn/siglip_trunk.h"

#include <ATen/ATen.h>

#include "nn/parameters.h"
#include "runtime/error.h"

namespace torchsight {

SiglipTrunk::SiglipTrunk(const EncoderConfig& config, bool head, const ModuleOptions& options)
    : layers_(config, "vision", options),
      norm_(make_norm(NormKind::kLayerNorm, true, config.norm_eps, config.width, options)) {
  if (head) head_.emplace(config, options);
}

void SiglipTrunk::add_parameters(std::vector<Parameter>& parameters, const std::string& prefix) {
  layers_.add_parameters(parameters, prefix + "encoder");
  add_norm(parameters, prefix + "post_layernorm", norm_);
  if (head_) head_->add_parameters(parameters, prefix + "head");
}

at::Tensor SiglipTrunk::forward(const at::Tensor& x_BNd, Trace& trace, const at::Tensor& mask_BN) {
  const at::Tensor mask_B11N = mask_BN.defined() ? mask_BN.unsqueeze(1).unsqueeze(1) : at::Tensor();
  return norm_(layers_.forward(x_BNd, trace, mask_B11N));
}

at::Tensor SiglipTrunk::pool(const at::Tensor& x_BNd, const at::Tensor& mask_BN) {
  if (!head_) {
    throw Error(ErrorCode::kUnsupported,
                "expected vision_use_head to be true where patches are pooled but received false");
  }
  return (*head_)(x_BNd, mask_BN);
}

}  // namespace torchsight
