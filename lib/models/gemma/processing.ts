/** From prompts to tokens. */
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { isTokenIds, type TextPrompt } from "../../generation/batch.js";
import type { Tokenizer } from "../../text/tokenizer.js";

/** What bounds a prompt. */
export interface PromptBounds {
  /** Tokens of prompt and text together at most. */
  context: number;
  /** Tokens of the text at most. */
  newTokens: number;
}

/**
 * The token ids of a prompt: a text with the token of its beginning before it, or ids as they are.
 * Throws `BAD_INPUT` for what is neither, and where it leaves no room for the text.
 */
export function promptIds(
  prompt: TextPrompt,
  tokenizer: Tokenizer,
  { context, newTokens }: PromptBounds,
): readonly number[] {
  if (typeof prompt !== "string" && !isTokenIds(prompt)) {
    throw invalidArgument("the prompt", "a text or token ids", prompt);
  }
  const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : prompt;
  if (ids.length + newTokens <= context) return ids;
  throw new TorchsightError(
    "BAD_INPUT",
    `expected a prompt of at most ${context - newTokens} tokens, which leaves room for ` +
      `maxNewTokens = ${newTokens} of ${context}, but received ${ids.length}`,
  );
}
