/** Tokenizers that lie beside a model and belong to it. */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { TOKENIZER_FILES } from "../core/hub-cache.js";
import { Tokenizer } from "./tokenizer.js";

/**
 * The tokenizer in a folder, for a model that knows `vocabulary` tokens. Throws as
 * `Tokenizer.load`, and `BAD_CHECKPOINT` for one of more tokens.
 */
export async function loadTokenizerOf(folder: string, vocabulary: number): Promise<Tokenizer> {
  const tokenizer = await Tokenizer.load(folder);
  if (tokenizer.vocabularySize <= vocabulary) return tokenizer;
  const expected = `a tokenizer of at most vocab_size = ${vocabulary} tokens`;
  throw wrongTokenizer(folder, expected, `one of ${tokenizer.vocabularySize}`);
}

/** Throws `UNSUPPORTED` for a folder whose only tokenizer is SentencePiece's own file. */
export function refuseSentencePiece(folder: string): void {
  if (existsSync(join(folder, "tokenizer.json")) || !existsSync(join(folder, "spiece.model"))) {
    return;
  }
  throw new TorchsightError(
    "UNSUPPORTED",
    `expected a tokenizer.json in ${folder} but found a spiece.model alone: convert it with ` +
      "transformers, or give the folder of one as the option tokenizer",
  );
}

/** A tokenizer that does not fit its model. */
export function wrongTokenizer(
  folder: string,
  expected: string,
  received: string,
): TorchsightError {
  const message = `expected ${expected} in ${folder} but received ${received}`;
  return new TorchsightError("BAD_CHECKPOINT", message);
}

/** Copies what there is of a tokenizer, links followed, as the hub's cache has them. */
export function copyTokenizer(source: string | undefined, target: string): void {
  if (source === undefined) return;
  for (const name of TOKENIZER_FILES) {
    const file = join(source, name);
    if (existsSync(file)) copyFileSync(file, join(target, name));
  }
}

/** Throws `BAD_INPUT` for what is not a list of texts. */
export function checkTexts(texts: unknown): asserts texts is readonly string[] {
  if (!Array.isArray(texts) || texts.length === 0) {
    throw invalidArgument("the texts", "at least one text", texts);
  }
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw invalidArgument(`texts[${wrong}]`, "a string", texts[wrong]);
}
