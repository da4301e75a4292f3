/** Types of the native methods, whose schemas are in native/models/paligemma/methods.cc. */
import type { Tensor } from "../../core/tensor.js";
import type { GenerateArgs } from "../../generation/options.js";
import type { Generated, GeneratedStep } from "../../generation/types.js";

/** How pictures of other sizes than the model's are taken. */
export interface SizeArgs {
  /** Resizes the positions: `bicubic` as transformers, `linear` as big_vision. Default `none`. */
  position_resize?: "none" | "bicubic" | "linear" | undefined;
}

/** I pictures of all prompts in order, and B rows of T tokens. */
export interface PromptInputs {
  /** int64 [B, T], `image_token_index` where a vector of a picture goes. */
  input_ids: Tensor;
  /** 0 at padding, [B, T]. */
  attention_mask?: Tensor | undefined;
  position_ids?: Tensor | undefined;
  /** 0 in the prefix, whose tokens see each other, 1 behind it: [B, T]. All 0 where absent. */
  token_type_ids?: Tensor | undefined;
  /** float32 [I, 3, H, W] in [-1, 1]. */
  pixel_values?: Tensor | undefined;
  /** In place of the pixels, what `encode_images` gave: [I, N, d]. */
  image_hidden_states?: Tensor | undefined;
}

/** transformers' names throughout, so that its scripts can be followed. */
export interface PaliGemmaMethods {
  encode_images: {
    inputs: { pixel_values: Tensor };
    /** Vectors of patches as the decoder reads them, [I, N, d], and their mean, [I, d]. */
    outputs: { image_hidden_states: Tensor; image_embeds: Tensor };
    args: SizeArgs;
    item: object;
  };
  forward: {
    inputs: PromptInputs;
    /** `logits`: [B, L, V] of the last `logits_to_keep` tokens, or of all. */
    outputs: { logits: Tensor; image_hidden_states?: Tensor };
    args: SizeArgs & { logits_to_keep?: number };
    item: object;
  };
  /** `logprobs`: float32 [B, T], of each token behind the prefix after those before it. */
  score: { inputs: PromptInputs; outputs: { logprobs: Tensor }; args: SizeArgs; item: object };
  generate: {
    inputs: PromptInputs;
    outputs: Generated;
    args: SizeArgs & GenerateArgs;
    item: GeneratedStep;
  };
}
