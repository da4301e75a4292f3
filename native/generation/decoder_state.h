// A decoder in the middle of a text: what it has read, and the positions that come next.
#pragma once

#include "generation/fixed_steps.h"

namespace torchsight {

/// Tokens as a decoder reads them.
struct Prompt {
  at::Tensor ids_BT;
  at::Tensor x_BTd;         // embeddings
  at::Tensor positions_BT;  // of [B or 1, T]
  TokenKinds kinds;
};

class DecoderState {
 public:
  /// An empty state for `batch` rows of up to `capacity` tokens. The decoder has to outlive it.
  /// `fixed`: single tokens are read by `FixedSteps`.
  DecoderState(Decoder& decoder, int64_t batch, int64_t capacity, bool fixed = false);

  int64_t batch() const { return cache_.batch(); }
  int64_t length() const { return cache_.length(); }
  void checkpoint(JobContext& context) const { decoder_->checkpoint(context); }

  /// Reads a prompt, padded on the left, and gives the logits [B, V] of what follows. Throws
  /// `Error(kBadInput)` where there is one already, or no room.
  at::Tensor prefill(const Prompt& prompt, Trace& trace);
  /// Reads further tokens [B, T] and gives the logits of what follows the last one.
  at::Tensor step(const at::Tensor& ids_BT, JobContext& context);
  /// Row r becomes what row `rows_R[r]` was. A copy of a state shares its memory until then.
  void select(const at::Tensor& rows_R);

  NamedTensors snapshot() const;
  void restore(const NamedTensors& state);

 private:
  void require_room(int64_t tokens) const;

  Decoder* decoder_;
  KvCache cache_;
  at::Tensor next_B_;  // the position of the next token of each row
  bool fixed_;
  std::shared_ptr<FixedSteps> steps_;  // from the first step on, until rows change
};

}  // namespace torchsight
