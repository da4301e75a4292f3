// Gemma (Gemma Team, arXiv 2403.08295) and Gemma 2 (arXiv 2408.00118): causal language models.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "generation/prompt.h"

namespace torchsight::gemma {

class Gemma final : public Module {
 public:
  /// Reads of `options.extra` what `Decoder` does.
  Gemma(const DecoderConfig& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override { return decoder_.tap_names(); }
  std::vector<Parameter> parameters() override;
  void loaded() override { decoder_.loaded(); }
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;

 private:
  Prompt read(const Call& call) const;
  NamedTensors run(Call& call, JobContext& context,
                   const std::function<NamedTensors(const Prompt&, Trace&)>& work);

  Decoder decoder_;
};

/// The entry of the table of systems, for both model types.
std::unique_ptr<Module> make_gemma(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::gemma
