/**
 * What the tokens of a text say of places in a picture: four `<loc>` tokens for a box (y before x),
 * 16 `<seg>` tokens for a mask in it, and a label. Sources: big_vision,
 * `pp/proj/paligemma/segmentation.py` and `evaluators/proj/paligemma/transfers/segmentation.py`.
 */
import { invalidArgument } from "../../core/errors.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { MASK_CODES } from "./mask_codec.js";
import type { Box } from "./masks.js";
import { LOC_BINS, SEG_CODES, type TokenLayout } from "./tokens.js";

/** An object that a text names. */
export interface FoundObject {
  /** In pixels of the picture. */
  box: Box;
  label: string;
  /** How sure the model was of the box: the geometric mean of its tokens' probabilities, 0 to 1. */
  score: number;
  /** Codes of the mask within the box, where the text has one; see `MaskCodec`. */
  codes?: number[];
}

/** Tokens of places that mean nothing. */
export interface InvalidPlace {
  tokenIds: number[];
  reason: string;
}

/** What a text says of places. */
export interface FoundObjects {
  objects: FoundObject[];
  invalid: InvalidPlace[];
}

/** How tokens are read. */
export interface ReadOptions {
  tokenizer: Tokenizer;
  layout: TokenLayout;
  /** Of the picture, in pixels. */
  size: { readonly width: number; readonly height: number };
  /** Natural logarithms of the tokens' probabilities. */
  logprobs: readonly number[];
  /** What bins are divided by: 1024 (default), or 1023 as in evaluations of RefCOCO. */
  locDivisor?: 1024 | 1023 | undefined;
}

const CORNERS = 4;

/** Reads the tokens of a text. What is malformed goes to `invalid`, and never fails. */
export function readObjects(tokenIds: readonly number[], options: ReadOptions): FoundObjects {
  const { layout, locDivisor = LOC_BINS } = options;
  if (locDivisor !== LOC_BINS && locDivisor !== LOC_BINS - 1) {
    throw invalidArgument("locDivisor", "1024 or 1023", locDivisor);
  }
  const isLoc = (id: number) => id >= layout.firstLoc && id < layout.firstLoc + LOC_BINS;
  const isSeg = (id: number) => id >= layout.firstSeg && id < layout.firstSeg + SEG_CODES;
  const found: FoundObjects = { objects: [], invalid: [] };
  for (let place = 0; place < tokenIds.length; ) {
    if (!isLoc(tokenIds[place]!) && !isSeg(tokenIds[place]!)) {
      place += 1;
      continue;
    }
    const locs = run(tokenIds, place, isLoc, CORNERS);
    const segs = run(tokenIds, place + locs.length, isSeg, MASK_CODES);
    const end = place + locs.length + segs.length;
    const label = labelAt(tokenIds, end, (id) => isLoc(id) || isSeg(id), options);
    const logprobs = options.logprobs.slice(place, place + CORNERS);
    const read = objectOf(locs, segs, logprobs, options);
    if (typeof read === "string") {
      found.invalid.push({ tokenIds: [...locs, ...segs], reason: read });
    } else {
      found.objects.push({ ...read, label: label.text });
    }
    place = label.end;
  }
  return found;
}

/** The tokens from `start` that `accepts` takes, at most `most`. */
function run(
  ids: readonly number[],
  start: number,
  accepts: (id: number) => boolean,
  most: number,
): number[] {
  let end = start;
  while (end < ids.length && end - start < most && accepts(ids[end]!)) end += 1;
  return ids.slice(start, end);
}

/** The object of these tokens, or why there is none. */
function objectOf(
  locs: readonly number[],
  segs: readonly number[],
  logprobs: readonly number[],
  { layout, size, locDivisor = LOC_BINS }: ReadOptions,
): Omit<FoundObject, "label"> | string {
  if (locs.length !== CORNERS) return `expected 4 places of a box but received ${locs.length}`;
  if (segs.length !== 0 && segs.length !== MASK_CODES) {
    return `expected 16 codes of a mask, or none, but received ${segs.length}`;
  }
  const share = (index: number) => (locs[index]! - layout.firstLoc) / locDivisor;
  const [y0, x0, y1, x1] = [share(0), share(1), share(2), share(3)] as const;
  if (y1 <= y0 || x1 <= x0) return "expected a box with an area but received one without";
  const { width, height } = size;
  const mean = logprobs.reduce((sum, one) => sum + one, 0) / CORNERS;
  return {
    box: [x0 * width, y0 * height, x1 * width, y1 * height],
    score: Math.exp(mean),
    ...(segs.length > 0 && { codes: segs.map((id) => id - layout.firstSeg) }),
  };
}

/** The text from `start` up to a separator, a place, the end token or the end. */
function labelAt(
  ids: readonly number[],
  start: number,
  isPlace: (id: number) => boolean,
  { tokenizer, layout }: ReadOptions,
): { text: string; end: number } {
  const { separator, eos } = layout;
  const ends = (id: number) => isPlace(id) || id === separator || id === eos;
  const words = run(ids, start, (id) => !ends(id), ids.length);
  const text = tokenizer.decode(words).replace(/^[\s;]+|[\s;]+$/g, "");
  return { text, end: start + words.length };
}
