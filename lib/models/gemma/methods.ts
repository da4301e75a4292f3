/** Types of the native methods, whose schemas are in native/generation/prompt.cc. */
import type { Tensor } from "../../core/tensor.js";
import type { GenerateArgs } from "../../generation/options.js";
import type { Generated, GeneratedStep } from "../../generation/types.js";

interface Tokens {
  /** int64 [B, T] */
  input_ids: Tensor;
  /** 0 at padding, [B, T]. */
  attention_mask?: Tensor | undefined;
}

/** transformers' names throughout, so that its scripts can be followed. */
export interface GemmaMethods {
  /** `logits`: [B, L, V] of the last `logits_to_keep` tokens, or of all. */
  forward: {
    inputs: Tokens;
    outputs: { logits: Tensor };
    args: { logits_to_keep?: number };
    item: object;
  };
  /** `logprobs`: float32 [B, T], of each token after those before it. */
  score: { inputs: Tokens; outputs: { logprobs: Tensor }; args: object; item: object };
  generate: { inputs: Tokens; outputs: Generated; args: GenerateArgs; item: GeneratedStep };
}
