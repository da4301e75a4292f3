// SigLIP: Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (arXiv 2303.15343), and
// SigLIP 2: Tschannen et al. (arXiv 2502.14786): a tower of pictures and a tower of texts, together
// or each by itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/siglip/config.h"
#include "models/siglip/flexible.h"
#include "models/siglip/text.h"
#include "nn/siglip_vision.h"

namespace torchsight::siglip {

class Siglip final : public Module {
 public:
  /// Reads of `options.extra`: "fuse" (bool, true: joint matrices), and what `TensorParallel` does.
  Siglip(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;
  /// "trainer": as `open_trainer`, of both towers and how pictures fit texts (`contrastive`), by
  /// `loss`, sigmoid unless it is another; a tower that a batch brings embeddings for has no part
  /// in it. A tower by itself takes losses that are given alone, of `encode` unless `method` is
  /// another.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;

 private:
  /// What a tower says of a batch.
  struct Encoded {
    at::Tensor tokens;  // [B, N, d]
    at::Tensor pooled;  // [B, E]; undefined without a head
  };

  void add_methods();
  std::vector<TensorSpec> picture_specs(bool optional) const;
  std::vector<TensorSpec> text_specs(bool optional) const;
  std::vector<TensorSpec> encoded_specs(bool pictures) const;
  Encoded look(const Call& call, Trace& trace);
  Encoded read(const Call& call, Trace& trace);
  NamedTensors encode(Call& call, JobContext& context, bool pictures, const char* embeds);
  NamedTensors similarity(Call& call, JobContext& context);

  Config config_;
  std::optional<SiglipVisionTower> vision_;
  std::optional<FlexibleTower> flexible_;
  std::optional<TextTower> text_;
  at::Tensor logit_scale_1_, logit_bias_1_;  // of both towers
};

/// The entry of the table of systems, for all its model types.
std::unique_ptr<Module> make_siglip(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::siglip
