// From logits to the next token.
#pragma once

#include <ATen/core/Tensor.h>

#include "generation/options.h"

namespace torchsight {

/// The log-probabilities of `ids_B` under `logits_BV`: float32 [B] on the CPU.
at::Tensor log_probs(const at::Tensor& logits_BV, const at::Tensor& ids_B);

/// What a draw from one row of float32 logits chooses among, likeliest first: the logits are
/// divided by the temperature, the top_k largest kept, and of those the likeliest that reach top_p
/// together; whatever equals the last one kept is kept as well.
struct Candidate {
  int64_t id;
  double probability;  // of all candidates together 1
};
std::vector<Candidate> candidates(const float* logits, int64_t vocabulary,
                                  const GenerationOptions& options);

/// Chooses the next token of each row, by the options; ids that are not allowed are never chosen.
class Sampler {
 public:
  Sampler(const GenerationOptions& options, int64_t vocabulary, at::Device device);

  /// A row of a batch: the seed and the stream of its random numbers.
  struct Row {
    int64_t seed;
    int64_t stream;
  };

  /// [B, V] to int64 [B] on the CPU. `step` counts the tokens of a row: with seed and stream it
  /// alone decides on a draw, whatever else is in the batch.
  at::Tensor operator()(const at::Tensor& logits_BV, const std::vector<Row>& rows,
                        int64_t step) const;

 private:
  int64_t draw(const float* logits, int64_t vocabulary, const Row& row, int64_t step) const;

  GenerationOptions options_;
  at::Tensor refused_V_;  // bool; undefined where all ids are allowed
};

}  // namespace torchsight
