// Beam search as PaliGemma's captions use it (big_vision, `predict_fns.py`): sums of
// log-probabilities without a length penalty, one best finished text besides the live ones.
#pragma once

#include <vector>

#include "generation/decoder_state.h"
#include "generation/options.h"

namespace torchsight {

struct Hypothesis {
  std::vector<int64_t> ids;
  std::vector<float> log_probs;
  double total = 0;
  bool ended = false;
};

/// The best text for the one row of `state`, whose next token has the logits `logits_1V`. A text
/// that has ended wins over all that have not.
Hypothesis beam_search(DecoderState& state, at::Tensor logits_1V, const GenerationOptions& options,
                       JobContext& context);

}  // namespace torchsight
