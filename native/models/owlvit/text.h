// The text tower: a causal transformer, read at the end-of-text token and projected (CLIP, arXiv
// 2103.00020, section 2.4).
#pragma once

#include <vector>

#include "models/owlvit/config.h"
#include "nn/encoder.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace torchsight::owlvit {

class TextTower {
 public:
  TextTower(const Config& config, const ModuleOptions& options);

  /// Token ids [N, L] to embeddings [N, E] of unit length. `attention_mask` [N, L], where defined,
  /// is 0 at padding. The end of a text is its largest id. Throws `Error(kShape)` for texts longer
  /// than the positions and `Error(kBadInput)` for ids beyond the vocabulary.
  at::Tensor forward(const at::Tensor& ids_NL, const at::Tensor& attention_mask_NL, Trace& trace);

  std::vector<std::string> tap_names() const;
  void add_parameters(std::vector<Parameter>& parameters);

 private:
  void check(const at::Tensor& ids_NL) const;

  Config config_;
  at::Tensor tokens_Vd_, positions_Ld_;
  Norm final_norm_;
  Linear projection_;
  Encoder layers_;
};

}  // namespace torchsight::owlvit
