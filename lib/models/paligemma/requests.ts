/** From pictures and prompts to rows of tokens. */
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import { isTokenIds, type TextPrompt } from "../../generation/batch.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { PaliGemmaImage } from "./features.js";
import { promptTokens } from "./prompts.js";
import { layoutOf, type TokenLayout } from "./tokens.js";

/** What is asked: any number of pictures, and a text, or its token ids. */
export interface PaliGemmaInput {
  images?: PaliGemmaImage | readonly PaliGemmaImage[] | undefined;
  /** `caption en`, `answer en what is this?`, …: what the model was trained to be asked. */
  prompt: TextPrompt;
}

/** What rows of tokens are made with. */
export interface RowOptions {
  tokenizer: Tokenizer;
  layout: TokenLayout;
  /** Vectors of a picture. */
  patches: number;
  /** Stands where one vector goes. */
  imageToken: number;
  /** Tokens of a row at most, with the text that is to follow. */
  context: number;
  newTokens: number;
}

/** One input, checked. */
export interface CheckedInput {
  images: readonly PaliGemmaImage[];
  prompt: TextPrompt;
}

/** Inputs as they are worked on. Throws `BAD_INPUT` for what is none. */
export function checkedInput(input: PaliGemmaInput): CheckedInput {
  if (typeof input !== "object" || input === null) {
    throw invalidArgument("the input", "pictures and a prompt", input);
  }
  const { images, prompt } = input;
  if (typeof prompt !== "string" && !isTokenIds(prompt)) {
    throw invalidArgument("the prompt", "a text or token ids", prompt);
  }
  if (images === undefined) return { images: [], prompt };
  const list = Array.isArray(images) ? images : [images as PaliGemmaImage];
  return { images: list, prompt };
}

/**
 * The row of one input: a place for each vector of its pictures, then the prompt, whose end a line
 * break marks. Throws `BAD_INPUT` where that leaves no room for the text.
 */
export function rowOf({ images, prompt }: CheckedInput, options: RowOptions): number[] {
  const { tokenizer, layout, patches, imageToken, context, newTokens } = options;
  const places = new Array<number>(images.length * patches).fill(imageToken);
  const words = typeof prompt === "string" ? promptTokens(tokenizer, prompt, layout) : prompt;
  const row = [...places, ...words];
  if (row.length + newTokens <= context) return row;
  throw new TorchsightError(
    "BAD_INPUT",
    `expected a prompt of at most ${context - newTokens} tokens, which leaves room for ` +
      `maxNewTokens = ${newTokens} of ${context}, but received ${row.length}, ` +
      `${places.length} of them for pictures`,
  );
}

const layouts = new WeakMap<Tokenizer, TokenLayout>();

/** The layout of a tokenizer, worked out once. */
export function knownLayout(tokenizer: Tokenizer): TokenLayout {
  const known = layouts.get(tokenizer) ?? layoutOf(tokenizer);
  layouts.set(tokenizer, known);
  return known;
}
