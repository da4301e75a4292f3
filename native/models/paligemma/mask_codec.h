// PaliGemma's mask codec: a VQ-VAE between masks of 64 x 64 and 16 codes, from "All in Tokens"
// (Ning et al., arXiv 2301.02229), with the weights of big_vision's vae-oid.npz.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/paligemma/mask_config.h"
#include "models/paligemma/mask_layers.h"
#include "runtime/module.h"

namespace torchsight::paligemma {

class MaskCodec final : public Module {
 public:
  /// Throws `Error(kUnsupported)` for groups of ranks.
  MaskCodec(const MaskConfig& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;

 private:
  struct Encoder {
    std::vector<Convolution> halvings;
    std::vector<ResidualBlock> residuals;
    Convolution last;
  };
  struct Decoder {
    Convolution first;
    std::vector<ResidualBlock> residuals;
    std::vector<Doubling> doublings;
    Convolution last;
  };

  NamedTensors decode_masks(Call& call, JobContext& context);
  NamedTensors encode_masks(Call& call, JobContext& context);
  at::Tensor decode(const at::Tensor& ids_N16, Taps& taps) const;
  at::Tensor encode(const at::Tensor& masks_Nhw, Taps& taps) const;
  /// Runs `work` on batches of `input` and fills `output` with what it gives.
  using Work = at::Tensor (MaskCodec::*)(const at::Tensor&, Taps&) const;
  void in_batches(Work work, const at::Tensor& input, const at::Tensor& output, Call& call,
                  JobContext& context) const;

  MaskConfig config_;
  at::Tensor codebook_KE_;
  Decoder decoder_;
  std::optional<Encoder> encoder_;
};

/// The entry of the table of systems.
std::unique_ptr<Module> make_mask_codec(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::paligemma
