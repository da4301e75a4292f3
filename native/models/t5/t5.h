// The encoder of T5: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
// Text-to-Text Transformer" (arXiv 1910.10683), and its version 1.1 with gated GELU (Shazeer, arXiv
// 2002.05202). Imagen and Imagen Video read their prompts with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/t5/block.h"
#include "models/t5/config.h"

namespace torchsight::t5 {

class Encoder final : public Module {
 public:
  /// Reads of `options.extra`: "fuse" (bool, true: joint matrices). Throws `Error(kUnsupported)`
  /// for groups of ranks and for float16, in which the feed-forward of trained models overflows.
  Encoder(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;

 private:
  NamedTensors encode(Call& call, JobContext& context);
  void check(const at::Tensor& ids_BN) const;
  /// [B or 1, H, N, N], in the dtype of the model.
  at::Tensor bias(int64_t tokens, const at::Tensor& mask_BN) const;

  Config config_;
  at::Tensor tokens_Vd_, table_KH_;
  std::vector<Block> blocks_;
  Norm norm_;
};

/// The entry of the table of systems.
std::unique_ptr<Module> make_t5(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::t5
