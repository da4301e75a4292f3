/**
 * From texts to what the text tower takes.
 *
 * Sources: transformers 5.18, `tokenization_siglip.py`, `tokenization_siglip2.py` and
 * `processing_siglip2.py`.
 */
import { tensor } from "../../core/create.js";
import type { Tensor } from "../../core/tensor.js";
import { loadTokenizerOf, refuseSentencePiece, wrongTokenizer } from "../../text/of_model.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { SiglipTextConfig } from "./config.js";

/** How texts become tokens. */
export interface TextOptions {
  /** Brings texts to lower case, as all models were trained. Default true. */
  lowercase?: boolean | undefined;
}

/** The tokenizer in a folder, checked against its model. Throws as `Tokenizer.load`. */
export async function loadTokenizer(folder: string, config: SiglipTextConfig): Promise<Tokenizer> {
  refuseSentencePiece(folder);
  const tokenizer = await loadTokenizerOf(folder, config.vocab_size);
  // Texts are read without a mask, so padding with another token than in training changes them.
  if (tokenizer.padId === undefined) {
    throw wrongTokenizer(folder, "a pad_token in the tokenizer_config.json", "none");
  }
  return tokenizer;
}

/**
 * Texts as the tower takes them: int64 [T, context], cut or padded on the right to the length that
 * the models were trained with. Throws `BAD_INPUT`.
 */
export function toInputIds(
  tokenizer: Tokenizer,
  texts: readonly string[],
  context: number,
  { lowercase = true }: TextOptions,
): Tensor<"int64"> {
  const ids = new BigInt64Array(texts.length * context).fill(BigInt(tokenizer.padId!));
  for (const [place, text] of texts.entries()) {
    const lowered = lowercase ? text.toLowerCase() : text;
    const plain = tokenizer.className === "SiglipTokenizer" ? canonical(lowered) : lowered;
    const row = tokenizer.encode(plain);
    // Where there is no room for all, the end mark stays: a text is told by its last token.
    const marked = row.length > context && row.at(-1) === tokenizer.eosId;
    const kept = marked ? [...row.slice(0, context - 1), row.at(-1)!] : row.slice(0, context);
    ids.set(kept.map(BigInt), place * context);
  }
  return tensor(ids, { shape: [texts.length, context] });
}

/** A text as SigLIP's first models were trained to read it. */
function canonical(text: string): string {
  return text
    .replace(/[!-/:-@[-`{-~]/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
