/**
 * A small frozen reader for texts of few words: a T5 with random weights over a vocabulary of whole
 * words. Each word keeps a vector of its own, which is all that a stage needs to learn from.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { T5Encoder } from "../../models/t5/index.js";
import { replaceFolder } from "../whole.js";

/** Tokens before the words. */
const SPECIAL = ["<pad>", "</s>", "<unk>"] as const;
const [PAD, END, UNKNOWN] = SPECIAL;

/** What decides on the weights, beside the words. */
export interface WordEncoderOptions {
  /** Width of the features. */
  width: number;
  seed: number;
}

/** Writes such an encoder and its tokenizer into `folder`, whole, unless it is there already. */
export async function writeWordEncoder(
  folder: string,
  words: readonly string[],
  { width, seed }: WordEncoderOptions,
): Promise<void> {
  if (existsSync(folder)) return;
  const heads = 4;
  await using encoder = await T5Encoder.random(
    {
      model_type: "t5",
      vocab_size: SPECIAL.length + words.length,
      d_model: width,
      d_kv: Math.max(4, width / heads),
      d_ff: 2 * width,
      num_layers: 2,
      num_heads: heads,
      feed_forward_proj: "gated-gelu",
    },
    { seed },
  );
  await replaceFolder(folder, async (fresh) => {
    await encoder.save(fresh);
    const write = (name: string, value: object) => {
      writeFileSync(join(fresh, name), `${JSON.stringify(value, null, 1)}\n`);
    };
    write("tokenizer.json", definitionOf(words));
    write("tokenizer_config.json", { pad_token: PAD, eos_token: END, unk_token: UNKNOWN });
  });
}

/** A tokenizer of whole words, whatever their case, in the form of `tokenizer.json`. */
function definitionOf(words: readonly string[]): object {
  const vocab = Object.fromEntries([...SPECIAL, ...words].map((token, id) => [token, id]));
  const added = SPECIAL.map((content, id) => ({
    ...{ id, content, special: true, normalized: false },
    ...{ single_word: false, lstrip: false, rstrip: false },
  }));
  const mark = { id: END, ids: [1], tokens: [END] };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: END, type_id: 0 } }],
      pair: [],
      special_tokens: { [END]: mark },
    },
    decoder: null,
    // Words that are not split further.
    model: {
      type: "WordPiece",
      unk_token: UNKNOWN,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
