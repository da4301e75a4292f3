/** What generating gives: as users see it, and as the native methods name it. */
import type { Tensor } from "../core/tensor.js";

/** One token of a text. */
export interface TokenEvent {
  /** The text that it belongs to, where there are several prompts. */
  row: number;
  /** Its place in the text, from 0. */
  index: number;
  tokenId: number;
  /** The token as the vocabulary writes it. */
  piece: string;
  /** What it adds to the text. Empty while bytes of a character, or of a stop text, are missing. */
  textDelta: string;
  /** Natural logarithm of its probability. */
  logprob: number;
  /** Why the text ends here; absent before. */
  finishReason?: FinishReason;
}

/** `eos`: by a token of the model; `length`: by `maxNewTokens`; `stop`: by one of `stop`. */
export type FinishReason = "eos" | "length" | "stop";

/** A whole text. */
export interface GeneratedText {
  text: string;
  /** All tokens, with the one that ended the text. */
  tokenIds: number[];
  /** Of each token, the natural logarithm of its probability. */
  logprobs: number[];
  finishReason: FinishReason;
  /** Seconds from the call to the first token, and to the last. */
  timings: { first: number; total: number };
}

/** What the native method gives. */
export interface Generated {
  /** int64 [B, T + N] */
  sequences: Tensor;
  /** float32 [B, N] */
  logprobs: Tensor;
  /** bool [B] */
  ended: Tensor;
}

/** What it streams: int64 and float32 [B]. */
export interface GeneratedStep {
  token_ids: Tensor;
  logprobs: Tensor;
}
