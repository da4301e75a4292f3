// The text tower: a transformer in which all tokens see each other, read at the last one, which is
// padding for all but the longest texts (Zhai et al., arXiv 2303.15343).
#pragma once

#include <string>
#include <vector>

#include "models/siglip/config.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace torchsight::siglip {

class TextTower {
 public:
  TextTower(const TextConfig& config, const ModuleOptions& options);

  /// Token ids [N, L] to the same after the last norm, [N, L, d]. Tokens where `mask_NL`, if
  /// defined, is 0 are not seen. Throws `Error(kShape)` for texts longer than the positions and
  /// `Error(kBadInput)` for ids beyond the vocabulary.
  at::Tensor forward(const at::Tensor& ids_NL, const at::Tensor& mask_NL, Trace& trace);
  /// What `forward` gave, read at the last token and projected: [N, E].
  at::Tensor pool(const at::Tensor& x_NLd);

  std::vector<std::string> tap_names() const { return layers_.tap_names(); }
  void add_parameters(std::vector<Parameter>& parameters, const std::string& prefix);

 private:
  void check(const at::Tensor& ids_NL) const;

  TextConfig config_;
  at::Tensor tokens_Vd_, positions_Ld_;
  Norm norm_;
  Linear head_;
  at::Tensor head_bias_;
  Encoder layers_;
};

}  // namespace torchsight::siglip
