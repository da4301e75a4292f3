// ViT-22B: Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters" (arXiv
// 2302.05442), at any size, whole or as one rank's part.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/vit22b/block.h"
#include "models/vit22b/config.h"
#include "models/vit22b/embedding.h"
#include "models/vit22b/head.h"
#include "nn/tensor_parallel.h"
#include "runtime/module.h"

namespace torchsight::vit22b {

class ViT22B final : public Module {
 public:
  /// Reads of `options.extra`: "fuse" (bool, true: joint matrices), "weights" ("float8": products
  /// of the layers in float8, for one rank), and what `TensorParallel` reads, for groups.
  ViT22B(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;
  void loaded() override;
  /// "trainer": as `open_trainer`, of the classifier's loss, the config's unless `loss` is another.
  std::unique_ptr<Session> open_session(const std::string& kind, const Json& options) override;
  bool fixed(const std::string& method) const override {
    return !ranks_.sharded() && method != "explain";
  }

 private:
  NamedTensors encode(Call& call, JobContext& context);
  NamedTensors classify(Call& call, JobContext& context);
  NamedTensors explain(Call& call, JobContext& context);
  void require_classifier(const char* method) const;
  /// The tokens after the final norm, [B, N, d], and what the call asked of the layers.
  at::Tensor features(Call& call, JobContext& context, NamedTensors& results);

  Config config_;
  TensorParallel ranks_;
  Embedding embedding_;
  std::vector<Block> blocks_;
  Norm norm_;
  Head head_;
};

/// The entry of the table of systems.
std::unique_ptr<Module> make_vit22b(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::vit22b
