/** Texts as the text tower takes them: rows of token ids of one length. */
import { checkWholeNumber } from "../../core/checks.js";
import { describeValue, invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Tokenizer } from "../../text/tokenizer.js";

/** Positions of the text towers of all published OWL-ViT and OWLv2 models. */
const CONTEXT = 16;

/** How queries become rows. */
export interface QueryTokenOptions {
  /** Tokens in a row, start and end included. Default 16. */
  context?: number | undefined;
  /**
   * What is done with a text of more tokens: `truncate` (default) keeps its first `context - 1`
   * tokens and the end token, `error` throws `BAD_INPUT`.
   */
  overflow?: "truncate" | "error" | undefined;
  /** What fills a row after the end token. Default 0, which is also the id of `!`. */
  padId?: number | undefined;
}

/** Q texts as token ids. */
export interface QueryTokens {
  /** int64 [Q, context], row by row. */
  ids: BigInt64Array;
  /** int64 [Q, context]: 1 for tokens, 0 for padding. Ids alone do not tell: `!` is 0 as well. */
  attentionMask: BigInt64Array;
  /** By text, whether its end was cut off. */
  truncated: boolean[];
  /**
   * Tokens of the longest row. Attention is causal and the embedding is read at the end token, so
   * the columns after these change nothing and need not be computed.
   */
  length: number;
}

/**
 * Encodes queries as OwlViTProcessor of transformers does; texts that do not fit are cut here,
 * whereas there they make the model fail.
 *
 * Special tokens written out in a text count as special tokens, and the embedding is read at the
 * first end token: `cat<|endoftext|>dog` embeds as `cat`. An empty text is a start and an end
 * token. Throws `BAD_INPUT`.
 */
export function tokenizeQueries(
  tokenizer: Tokenizer,
  queries: readonly string[],
  options: QueryTokenOptions = {},
): QueryTokens {
  const { context = CONTEXT, overflow = "truncate", padId = 0 } = options;
  checkOptions(context, overflow, padId);
  checkQueries(queries);
  const rows = queries.map((query) => tokenizer.encode(query));
  const truncated = rows.map((row) => row.length > context);
  const tooLong = overflow === "error" ? truncated.indexOf(true) : -1;
  if (tooLong >= 0) throw overflowError(queries, tooLong, rows[tooLong]!.length, context);

  const ids = new BigInt64Array(rows.length * context).fill(BigInt(padId));
  const attentionMask = new BigInt64Array(ids.length);
  for (const [index, row] of rows.entries()) {
    const kept = row.length > context ? [...row.slice(0, context - 1), row.at(-1)!] : row;
    const start = index * context;
    ids.set(kept.map(BigInt), start);
    attentionMask.fill(1n, start, start + kept.length);
  }
  const longest = rows.reduce((most, row) => Math.max(most, row.length), 0);
  return { ids, attentionMask, truncated, length: Math.min(context, longest) };
}

function checkOptions(context: number, overflow: string, padId: number): void {
  checkWholeNumber("context", context, 2);
  if (overflow !== "truncate" && overflow !== "error") {
    throw invalidArgument("overflow", "truncate or error", overflow);
  }
  if (!Number.isSafeInteger(padId) || padId < 0) {
    throw invalidArgument("padId", "a token id", padId);
  }
}

function checkQueries(queries: unknown): void {
  if (!Array.isArray(queries) || queries.length === 0) {
    throw invalidArgument("queries", "a list of at least one text", queries);
  }
  const wrong = queries.findIndex((query) => typeof query !== "string");
  if (wrong >= 0) throw invalidArgument(`queries[${wrong}]`, "a string", queries[wrong]);
}

function overflowError(
  queries: readonly string[],
  index: number,
  tokens: number,
  context: number,
): TorchsightError {
  return new TorchsightError(
    "BAD_INPUT",
    `expected at most ${context} tokens for queries[${index}] but received ${tokens}: ` +
      describeValue(queries[index]),
  );
}
