// Beam search as PaliGemma's captions use it (big_vision, `predict_fns.py`): sums of
// log-probabilities without a length penalty, one best finished text besides the live ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "generation/options.h"
#include "runtime/job.h"

namespace torchsight {

struct Hypothesis {
  std::vector<int64_t> ids;
  std::vector<float> log_probs;
  double total = 0;
  bool ended = false;
};

/// Asks the model: row r goes on from what row `parents_L[r]` was by the token `ids_L[r]`; gives
/// the logits [L, V] of what follows.
using AdvanceRows = std::function<at::Tensor(const at::Tensor& parents_L, const at::Tensor& ids_L)>;

/// The best text that begins with a token of the logits `logits_1V`. A text that has ended wins
/// over all that have not. Tells `context` of progress; `advance` asks it whether to go on.
Hypothesis beam_search(const AdvanceRows& advance, at::Tensor logits_1V,
                       const GenerationOptions& options, JobContext& context);

}  // namespace torchsight
