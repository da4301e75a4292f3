/**
 * From texts to what the encoder takes.
 *
 * Source: transformers 5.18, `tokenization_t5.py`.
 */
import { tensor } from "../../core/create.js";
import type { Tensor } from "../../core/tensor.js";
import { loadTokenizerOf, refuseSentencePiece, wrongTokenizer } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { T5Config } from "./config.js";

/** Texts as tokens, padded on the right. */
export interface Tokens {
  /** int64 [B, N] */
  input_ids: Tensor<"int64">;
  /** int64 [B, N], 0 at padding. */
  attention_mask: Tensor<"int64">;
}

/** The tokenizer in a folder, checked against its model. Throws as `Tokenizer.load`. */
export async function loadTokenizer(folder: string, config: T5Config): Promise<Tokenizer> {
  refuseSentencePiece(folder);
  const tokenizer = await loadTokenizerOf(folder, config.vocab_size);
  if (tokenizer.padId === undefined || tokenizer.eosId === undefined) {
    const expected = "a pad_token and an eos_token in the tokenizer_config.json";
    throw wrongTokenizer(folder, expected, "none");
  }
  return tokenizer;
}

/**
 * Texts as the encoder takes them: each with its end mark, cut to `maxLength` tokens so that the
 * mark stays, and padded to the longest, or to `maxLength` where `pad` says so.
 */
export function tokensOf(
  tokenizer: Tokenizer,
  texts: readonly string[],
  maxLength: number,
  pad: "longest" | "max",
): Tokens {
  const rows = texts.map((text) => {
    const ids = tokenizer.encode(text);
    return ids.length > maxLength ? [...ids.slice(0, maxLength - 1), ids.at(-1)!] : ids;
  });
  const length = pad === "max" ? maxLength : Math.max(...rows.map((row) => row.length));
  const ids = new BigInt64Array(texts.length * length).fill(BigInt(tokenizer.padId!));
  const mask = new BigInt64Array(texts.length * length);
  for (const [place, row] of rows.entries()) {
    ids.set(row.map(BigInt), place * length);
    mask.fill(1n, place * length, place * length + row.length);
  }
  const shape = [texts.length, length];
  return { input_ids: tensor(ids, { shape }), attention_mask: tensor(mask, { shape }) };
}
