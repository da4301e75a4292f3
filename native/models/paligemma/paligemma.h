// PaliGemma: Beyer et al., "PaliGemma: A versatile 3B VLM for transfer" (arXiv 2407.07726), and
// PaliGemma 2: Steiner et al. (arXiv 2412.03555): a SigLIP tower whose patches a Gemma or Gemma 2
// decoder reads before the prompt.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "generation/prompt.h"
#include "models/paligemma/config.h"

namespace torchsight::paligemma {

class PaliGemma final : public Module {
 public:
  /// Reads of `options.extra` what its parts do.
  PaliGemma(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;
  void loaded() override { decoder_.loaded(); }
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;

 private:
  void add_methods();
  std::vector<TensorSpec> prompt_specs() const;
  /// Vectors of pictures as the decoder reads them: [I, N, d].
  at::Tensor look(const at::Tensor& pixels_ICHW, const Json& options, Trace& trace);
  /// The pictures of a call, looked at or given as vectors; undefined where there are none.
  at::Tensor pictures(Call& call, Trace& trace);
  Prompt read(Call& call, const at::Tensor& pictures_INd) const;
  NamedTensors encode_images(Call& call, JobContext& context);
  NamedTensors forward(Call& call, JobContext& context);
  NamedTensors score(Call& call, JobContext& context);
  NamedTensors generate(Call& call, JobContext& context);

  Config config_;
  SiglipVisionTower vision_;
  Linear projector_;
  at::Tensor projector_bias_;
  Decoder decoder_;
};

/// The entry of the table of systems.
std::unique_ptr<Module> make_paligemma(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::paligemma
