/**
 * Steps where the tokenizer library departs from the reference, the Rust crate `tokenizers`, put in
 * terms in which it does not. Four differences remain:
 *
 * - Unicode. The library uses the tables of the running JavaScript engine, the crate its own: for
 *   letters those of Unicode 16 (0.23), for composing and ordering combining marks those of
 *   Unicode 9. Characters that only one of the two knows may be split or ordered differently.
 * - A text that only normalisation turns into a special token, such as `<|ENDOFTEXT|>`, is taken
 *   for it where nothing else stands beside it. The crate does so only for tokens that are marked
 *   as normalised, wherever they stand.
 * - `single_word` of added tokens is not heeded.
 * - Decoding tokens that stand for bytes, the library keeps the characters of a run that are whole,
 *   as browsers do, and leaves out a byte order mark at its start. The crate gives one U+FFFD for
 *   each byte of a run unless all of the run is UTF-8.
 */
import type { Step, TokenizerDefinition } from "./definition.js";

/**
 * Lower-casing is by character in Rust, whereas JavaScript turns a capital sigma at the end of a
 * word into its final form. This is the one rule of that kind that holds in every language.
 */
const SIGMA: Step = { type: "Replace", pattern: { String: "Σ" }, content: "σ" };

/** GPT-2's words. The library's own copy takes U+FEFF for white space and U+0085 for none. */
const WORDS: Step = {
  type: "Split",
  pattern: {
    Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  },
  behavior: "Isolated",
  invert: false,
};

/** White space is what Unicode says: with U+0085, and without U+FEFF, unlike in JavaScript. */
const SPACES: Step = {
  type: "Split",
  pattern: { Regex: "\\p{White_Space}+" },
  behavior: "Removed",
  invert: false,
};

/** `definition`, so written that the library encodes as the Rust crate does. */
export function corrected(definition: TokenizerDefinition): TokenizerDefinition {
  const { normalizer, pre_tokenizer } = definition;
  return {
    ...definition,
    normalizer: normalizer && rewrite(normalizer, "normalizers", lowercase),
    pre_tokenizer: pre_tokenizer && rewrite(pre_tokenizer, "pretokenizers", words),
  };
}

/** `step` after `change`, with all steps inside it. */
function rewrite(step: Step, inner: string, change: (step: Step) => Step[]): Step {
  const steps = step[inner];
  if (step.type === "Sequence" && Array.isArray(steps)) {
    return { ...step, [inner]: steps.map((one: Step) => rewrite(one, inner, change)) };
  }
  const [first, ...others] = change(step);
  return others.length === 0 ? first! : { type: "Sequence", [inner]: [first, ...others] };
}

function lowercase(step: Step): Step[] {
  return step.type === "Lowercase" ? [SIGMA, step] : [step];
}

function words(step: Step): Step[] {
  if (step.type === "WhitespaceSplit") return [SPACES];
  // With a space to put before the text, the split would come too early.
  const splits = step.type === "ByteLevel" && step.use_regex !== false && !step.add_prefix_space;
  return splits ? [WORDS, { ...step, use_regex: false }] : [step];
}
