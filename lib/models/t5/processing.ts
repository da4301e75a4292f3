/**
 * From texts to what the encoder takes.
 *
 * Source: transformers 5.18, `tokenization_t5.py`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { tensor } from "../../core/create.js";
import { invalidArgument, TorchsightError } from "../../core/errors.js";
import type { Tensor } from "../../core/tensor.js";
import { Tokenizer } from "../../text/tokenizer.js";
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
  if (!existsSync(join(folder, "tokenizer.json")) && existsSync(join(folder, "spiece.model"))) {
    throw new TorchsightError(
      "UNSUPPORTED",
      `expected a tokenizer.json in ${folder} but found a spiece.model alone: convert it with ` +
        "transformers, or give the folder of one as the option tokenizer",
    );
  }
  const tokenizer = await Tokenizer.load(folder);
  const wrong = (expected: string, received: string) =>
    new TorchsightError(
      "BAD_CHECKPOINT",
      `expected ${expected} in ${folder} but received ${received}`,
    );
  if (tokenizer.vocabularySize > config.vocab_size) {
    const expected = `a tokenizer of at most vocab_size = ${config.vocab_size} tokens`;
    throw wrong(expected, `one of ${tokenizer.vocabularySize}`);
  }
  if (tokenizer.padId === undefined || tokenizer.eosId === undefined) {
    throw wrong("a pad_token and an eos_token in the tokenizer_config.json", "none");
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

/** Throws `BAD_INPUT` for what is not a list of texts. An empty text is one: the end mark alone. */
export function checkTexts(texts: unknown): asserts texts is readonly string[] {
  if (!Array.isArray(texts) || texts.length === 0) {
    throw invalidArgument("the texts", "at least one text", texts);
  }
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw invalidArgument(`texts[${wrong}]`, "a string", texts[wrong]);
}
