// Texts from prompts that a decoder has read, token by token.
#pragma once

#include "generation/decoder_state.h"
#include "generation/options.h"

namespace torchsight {

/// Continues each row of `state`, whose next token has the logits `logits_BV`.
///
/// Gives `sequences` int64 [B, T + N], `prompt_ids_BT` and what follows, padded behind an end;
/// `logprobs` float32 [B, N] of the new tokens, 0 at padding; and `ended` bool [B], whether a row
/// met one of its ends. Log-probabilities are those of the model itself, before temperature and
/// choice. Streams each token of plain decoding as `token_ids` [B] and `logprobs` [B].
NamedTensors generate(DecoderState& state, at::Tensor logits_BV, const at::Tensor& prompt_ids_BT,
                      const GenerationOptions& options, JobContext& context);

/// The tensors of `generate` and its stream, as a method's schema lists them.
std::vector<TensorSpec> generated_specs();
std::vector<TensorSpec> streamed_specs();

}  // namespace torchsight
