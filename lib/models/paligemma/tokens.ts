/**
 * Where PaliGemma's own tokens lie in the vocabulary, and its tokenizer. Gemma's vocabulary of
 * 256,000 is followed by 1024 `<locNNNN>`, 128 `<segNNN>` and, in transformers alone, `<image>`
 * (big_vision, `configs/proj/paligemma/README.md`).
 */
import { resolve } from "node:path";
import { TorchsightError } from "../../core/errors.js";
import type { AddedToken, TokenizerDefinition } from "../../text/definition.js";
import { Tokenizer } from "../../text/tokenizer.js";

/** Bins of a side that `<loc>` tokens tell. */
export const LOC_BINS = 1024;
/** Codes that `<seg>` tokens tell. */
export const SEG_CODES = 128;

/** Ids of the tokens that mean something beyond their text. */
export interface TokenLayout {
  bos: number;
  eos: number;
  /** A line break, which ends the prompt. */
  newline: number;
  /** ` ;`, which stands between objects. Undefined where it is no token of its own. */
  separator?: number | undefined;
  /** `<loc0000>`; the other 1023 follow. */
  firstLoc: number;
  /** `<seg000>`; the other 127 follow. */
  firstSeg: number;
  image: number;
}

/** The layout of all published models. */
export const TOKENS: Readonly<TokenLayout> = {
  bos: 2,
  eos: 1,
  newline: 108,
  separator: 2161,
  firstLoc: 256000,
  firstSeg: 257024,
  image: 257152,
};

/** `<loc0012>` for 12 */
export const locText = (bin: number) => `<loc${String(bin).padStart(4, "0")}>`;
/** `<seg003>` for 3 */
export const segText = (code: number) => `<seg${String(code).padStart(3, "0")}>`;

/**
 * A tokenizer's definition with `<loc>`, `<seg>` and `<image>`. Older files, and Gemma's, lack some
 * or all of them, and their text would be split into letters. Tokens that are there stay as they
 * are. Throws `BAD_CHECKPOINT` where an id that is needed belongs to another token.
 */
export function withPaliGemmaTokens(
  definition: TokenizerDefinition,
  layout: TokenLayout = TOKENS,
): TokenizerDefinition {
  const known = new Set(definition.added_tokens.map(({ content }) => content));
  const missing = ownTokens(layout).filter(({ content }) => !known.has(content));
  if (missing.length === 0) return definition;
  const taken = ownersOf(definition);
  for (const { id, content } of missing) {
    const owner = taken.get(id);
    if (owner === undefined || owner === content) continue;
    const message = `expected ${content} as token ${id} of the tokenizer but received ${owner}`;
    throw new TorchsightError("BAD_CHECKPOINT", message);
  }
  return { ...definition, added_tokens: [...definition.added_tokens, ...missing] };
}

function ownTokens({ firstLoc, firstSeg, image }: TokenLayout): AddedToken[] {
  const plain = { normalized: false, single_word: false, lstrip: false, rstrip: false };
  const range = (first: number, count: number, text: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => ({
      ...plain,
      id: first + n,
      content: text(n),
      special: false,
    }));
  return [
    ...range(firstLoc, LOC_BINS, locText),
    ...range(firstSeg, SEG_CODES, segText),
    { ...plain, id: image, content: "<image>", special: true },
  ];
}

/** Tokens by their ids. */
function ownersOf({ model: { vocab }, added_tokens }: TokenizerDefinition): Map<number, string> {
  const entries: [number, string][] = Array.isArray(vocab)
    ? vocab.map(([token], id) => [id, token])
    : Object.entries(vocab).map(([token, id]) => [id as number, token]);
  const added = added_tokens.map(({ id, content }): [number, string] => [id, content]);
  return new Map([...entries, ...added]);
}

/**
 * The layout of a tokenizer, which tests and fine-tuned models may have of their own. Throws
 * `BAD_CHECKPOINT` for a tokenizer that lacks one of the tokens.
 */
export function layoutOf(tokenizer: Pick<Tokenizer, "encode">): TokenLayout {
  const idsOf = (text: string) => tokenizer.encode(text, { specialTokens: false });
  const idOf = (text: string): number => {
    const ids = idsOf(text);
    if (ids.length === 1) return ids[0]!;
    const message = `expected one token for ${JSON.stringify(text)} in the tokenizer but received `;
    throw new TorchsightError("BAD_CHECKPOINT", message + ids.length);
  };
  const run = (text: (n: number) => string, count: number): number => {
    const [first, last] = [idOf(text(0)), idOf(text(count - 1))];
    if (last - first === count - 1) return first;
    const expected = `expected ${text(count - 1)} as token ${first + count - 1} of the tokenizer`;
    throw new TorchsightError("BAD_CHECKPOINT", `${expected} but received it as ${last}`);
  };
  const separator = idsOf(" ;");
  return {
    bos: idOf("<bos>"),
    eos: idOf("<eos>"),
    newline: idOf("\n"),
    ...(separator.length === 1 && { separator: separator[0] }),
    firstLoc: run(locText, LOC_BINS),
    firstSeg: run(segText, SEG_CODES),
    image: idOf("<image>"),
  };
}

const loaded = new Map<string, Promise<Tokenizer>>();

/**
 * PaliGemma's tokenizer of the checkpoint in `folder`, read once in a process: its 17 MB take
 * seconds. Rejects as `Tokenizer.load` does.
 */
export function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = resolve(folder);
  const known = loaded.get(path);
  if (known) return known;
  const loading = Tokenizer.load(path, { define: withPaliGemmaTokens });
  loaded.set(path, loading);
  // What failed once may be mended and tried again.
  loading.catch(() => loaded.delete(path));
  return loading;
}
