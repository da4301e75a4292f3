/** Prompts of unequal length as one batch. */
import { tensor } from "../core/create.js";
import { invalidArgument } from "../core/errors.js";
import type { Tensor } from "../core/tensor.js";

/** A text, or its token ids. */
export type TextPrompt = string | readonly number[];

/** Token ids as the native methods take them. */
export interface TokenBatch {
  /** int64 [B, T], padded on the left. */
  input_ids: Tensor<"int64">;
  /** int64 [B, T], 0 at padding; absent where there is none. */
  attention_mask?: Tensor<"int64">;
}

/** Rows of token ids, all ending at the same place. Throws `BAD_INPUT` for an empty row. */
export function leftPadded(rows: readonly (readonly number[])[], pad = 0): TokenBatch {
  const width = Math.max(...rows.map((row) => row.length));
  const shape = [rows.length, width];
  const ids = new BigInt64Array(rows.length * width).fill(BigInt(pad));
  const mask = new BigInt64Array(ids.length);
  for (const [place, row] of rows.entries()) {
    if (row.length === 0) throw invalidArgument("the prompt", "at least one token", row);
    const start = (place + 1) * width - row.length;
    ids.set(row.map(BigInt), start);
    mask.fill(1n, start, start + row.length);
  }
  const input_ids = tensor(ids, { shape });
  if (rows.every((row) => row.length === width)) return { input_ids };
  return { input_ids, attention_mask: tensor(mask, { shape }) };
}

/** Whether a value is the token ids of one prompt. Throws `BAD_INPUT` for numbers that are none. */
export function isTokenIds(value: unknown): value is readonly number[] {
  if (!Array.isArray(value) || value.length === 0 || typeof value[0] !== "number") return false;
  for (const id of value) {
    if (!Number.isSafeInteger(id) || id < 0) throw invalidArgument("the prompt", "token ids", id);
  }
  return true;
}

/** One prompt as a list of one, and whether it was a list. Throws `BAD_INPUT` for an empty list. */
export function promptsOf<P>(given: P | readonly P[]): { prompts: readonly P[]; isList: boolean } {
  const isList = Array.isArray(given) && !isTokenIds(given);
  const prompts = isList ? (given as readonly P[]) : [given as P];
  if (prompts.length > 0) return { prompts, isList };
  throw invalidArgument("the prompts", "at least one", given);
}
