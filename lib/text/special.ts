/** Tokens that a checkpoint's settings name, beside those of its `tokenizer.json`. */
import { type AddedToken, damaged, isRecord, type TokenizerDefinition } from "./definition.js";

/** Contents of `tokenizer_config.json`; tokens are texts or objects with a `content`. */
export type TokenizerConfig = Readonly<Record<string, unknown>>;

const NAMES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);
const LISTS = ["additional_special_tokens", "extra_special_tokens"];

const PLAIN = { single_word: false, lstrip: false, rstrip: false };

/** The text of a token in a config. */
export function contentOf(token: unknown): string | undefined {
  const content = isRecord(token) ? token.content : token;
  return typeof content === "string" ? content : undefined;
}

/**
 * `config` with what older checkpoints keep in `special_tokens_map.json`, which counts only where
 * the config does not list its added tokens itself, as in transformers.
 */
export function mergeSpecialTokens(config: TokenizerConfig, map: TokenizerConfig): TokenizerConfig {
  return config.added_tokens_decoder === undefined ? { ...config, ...map } : config;
}

/**
 * `definition` with all special tokens of `config` among its added tokens, as transformers has them
 * after loading. OWL-ViT depends on it: its padding token is `!`, so any `!` of a text is taken out
 * before words are split, and becomes id 0. A token that the vocabulary lacks gets the next free
 * id. Throws `BAD_CHECKPOINT` naming `file`.
 */
export function withSpecialTokens(
  definition: TokenizerDefinition,
  config: TokenizerConfig,
  file: string,
): TokenizerDefinition {
  const tokens = new Map(definition.added_tokens.map((token) => [token.content, token]));
  const add = (token: unknown, named: boolean): void => {
    const content = contentOf(token);
    if (content === undefined) throw damaged(file, "texts or objects as special tokens", token);
    if (content === "" || tokens.has(content)) return;
    const fields = isRecord(token) ? token : {};
    tokens.set(content, {
      ...PLAIN,
      ...fields,
      content,
      id: idOf(content, definition, tokens.values()),
      normalized: (fields.normalized ?? isRecord(token)) === true,
      special: named || fields.special === true,
    });
  };
  for (const token of Object.values(config.added_tokens_decoder ?? {})) add(token, false);
  for (const name of NAMES) {
    if (config[name] !== undefined && config[name] !== null) add(config[name], true);
  }
  for (const name of LISTS) {
    for (const token of Object.values(config[name] ?? {})) add(token, true);
  }
  return { ...definition, added_tokens: [...tokens.values()] };
}

function idOf(
  content: string,
  { model: { vocab } }: TokenizerDefinition,
  added: Iterable<AddedToken>,
): number {
  if (Array.isArray(vocab)) {
    const index = vocab.findIndex(([token]) => token === content);
    if (index >= 0) return index;
  } else if (Object.hasOwn(vocab, content)) {
    return (vocab as Record<string, number>)[content]!;
  }
  const ids = [...added].map(({ id }) => id + 1);
  return Math.max(Object.keys(vocab).length, ...ids);
}
