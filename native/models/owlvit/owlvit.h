// OWL-ViT: Minderer et al., "Simple Open-Vocabulary Object Detection with Vision Transformers"
// (arXiv 2205.06230), and OWLv2: Minderer et al., "Scaling Open-Vocabulary Object Detection" (arXiv
// 2306.09683), which adds a head for objectness.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/owlvit/config.h"
#include "models/owlvit/heads.h"
#include "models/owlvit/text.h"
#include "models/owlvit/vision.h"
#include "runtime/module.h"

namespace torchsight::owlvit {

class OwlViT final : public Module {
 public:
  /// Reads of `options.extra`: "fuse" (bool, true: joint matrices). Throws `Error(kUnsupported)`
  /// for groups of ranks.
  OwlViT(const Config& config, const ModuleOptions& options);

  std::vector<std::string> tap_names() const override;
  std::vector<Parameter> parameters() override;

 private:
  /// All that is known of a picture without a query.
  struct Picture {
    at::Tensor features_Bhwd;
    ClassFeatures classes;
    at::Tensor boxes_BP4;      // (cx, cy, w, h) in 0..1 of the pixels given
    at::Tensor objectness_BP;  // logits; undefined without the head
  };

  NamedTensors detect(Call& call, JobContext& context);
  NamedTensors detect_image_guided(Call& call, JobContext& context);
  NamedTensors embed_image(Call& call, JobContext& context);
  NamedTensors embed_text(Call& call, JobContext& context);
  NamedTensors query(Call& call, JobContext& context);
  NamedTensors select(Call& call, JobContext& context);

  void add_methods();
  Picture look(const at::Tensor& pixels_BCHW, const Call& call, Trace& trace);
  at::Tensor objectness(const at::Tensor& features_Rd, int64_t batch);

  Config config_;
  VisionTower vision_;
  TextTower text_;
  MlpHead box_head_;
  std::optional<MlpHead> objectness_head_;
  ClassHead class_head_;
  // CLIP's contrastive head: kept with the checkpoint, not used for detection.
  at::Tensor visual_projection_, logit_scale_;
};

/// The entry of the table of systems, for both model types.
std::unique_ptr<Module> make_owlvit(const Json& config, const ModuleOptions& options);

}  // namespace torchsight::owlvit
