// What the language models share: prompts, and what is done with them.
#pragma once

#include <functional>
#include <memory>

#include "generation/decoder_state.h"
#include "runtime/module.h"

namespace torchsight {

/// How a system makes a prompt of a call's inputs.
using ReadPrompt = std::function<Prompt(Call& call, Trace& trace)>;

/// `attention_mask` as bools on `device`; undefined where the call has none, or hides nothing.
at::Tensor real_tokens(const Call& call, at::Device device);
/// `position_ids`, or where a call has none, the place of each token among those that are real.
at::Tensor token_positions(const Call& call, const at::Tensor& real_BT, const at::Tensor& ids_BT,
                           at::Device device);

/// The final states [B, T, d] of all tokens, without a cache.
at::Tensor read_prompt(Decoder& decoder, const Prompt& prompt, Trace& trace);

/// `logits` [B, L, V] of the last `logits_to_keep` tokens, or of all.
NamedTensors forward_prompt(Decoder& decoder, const Prompt& prompt, const Call& call, Trace& trace);
/// `logprobs` float32 [B, T]: of each token that `scored_BT` marks, after all before it; else 0.
NamedTensors score_prompt(Decoder& decoder, const Prompt& prompt, const at::Tensor& scored_BT,
                          Trace& trace);
/// The texts that follow, as `generate` gives them.
NamedTensors generate_from(Decoder& decoder, const Prompt& prompt, const Call& call,
                           JobContext& context, Trace& trace);

/// Schemas of the three methods; `inputs` are those that `ReadPrompt` reads.
MethodSchema forward_schema(const DecoderConfig& config, std::vector<TensorSpec> inputs);
MethodSchema score_schema(std::vector<TensorSpec> inputs);
MethodSchema generate_schema(std::vector<TensorSpec> inputs);
/// `input_ids`, `attention_mask` and `position_ids`.
std::vector<TensorSpec> token_specs();

}  // namespace torchsight
