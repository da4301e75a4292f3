/** What a `tokenizer.json` holds, as far as it is read here; the library reads the rest. */
import { describeValue, TorchsightError } from "../core/errors.js";

/** A token that is looked for in the text itself, before anything splits the text. */
export interface AddedToken {
  id: number;
  content: string;
  /** Whether it is looked for in the normalised text rather than in the text as given. */
  normalized: boolean;
  /** Whether decoding leaves it out. */
  special: boolean;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
}

/** A normaliser, pre-tokenizer, post-processor or decoder: its kind, and fields of that kind. */
export interface Step {
  type: string;
  [field: string]: unknown;
}

/** The vocabulary and how words become its entries. */
export interface TokenModel {
  /** Ids by token (BPE), or tokens with their scores, in order of ids (Unigram). */
  vocab: Readonly<Record<string, unknown>> | readonly (readonly [token: string, score: number])[];
  /** Of BPE: pairs that are joined, the first ones first; `"a b"` in older files. */
  merges?: readonly (string | readonly string[])[];
  continuing_subword_prefix?: string | null;
  [field: string]: unknown;
}

/** A whole tokenizer in the form of `tokenizer.json`. */
export interface TokenizerDefinition {
  added_tokens: readonly AddedToken[];
  normalizer: Step | null;
  pre_tokenizer: Step | null;
  post_processor: Step | null;
  decoder: Step | null;
  model: TokenModel;
}

/** The error for a damaged file of a tokenizer. */
export function damaged(file: string, expected: string, received: unknown): TorchsightError {
  const message = `expected ${expected} in ${file} but received ${describeValue(received)}`;
  return new TorchsightError("BAD_CHECKPOINT", message);
}

/** Kinds of models that the library knows; it takes any other for a plain word list. */
const MODELS = ["BPE", "Unigram", "WordPiece"];

/** Whether `value` is an object of named fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const STEPS = ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const;

/** The definition in the parsed contents of `file`. Throws `BAD_CHECKPOINT` and `UNSUPPORTED`. */
export function parseDefinition(json: unknown, file: string): TokenizerDefinition {
  if (!isRecord(json)) throw damaged(file, "an object", json);
  const { model, added_tokens = [] } = json;
  if (!isRecord(model)) throw damaged(file, "an object as model", model);
  if (!Array.isArray(added_tokens)) throw damaged(file, "a list as added_tokens", added_tokens);
  for (const token of added_tokens) {
    if (isRecord(token) && typeof token.content === "string" && isId(token.id)) continue;
    throw damaged(file, "an id and a text for each of added_tokens", token);
  }
  for (const name of STEPS) {
    const step = json[name] ?? null;
    if (step === null || (isRecord(step) && typeof step.type === "string")) continue;
    throw damaged(file, `a type or null as ${name}`, step);
  }
  checkModel(model, file);
  // Old files leave the type out.
  const { type = Array.isArray(model.vocab) ? "Unigram" : "merges" in model ? "BPE" : "" } = model;
  if (!MODELS.includes(type as string)) {
    const message = `expected a model of type ${MODELS.join(", ")} in ${file} but received ${type}`;
    throw new TorchsightError("UNSUPPORTED", message);
  }
  const absent = Object.fromEntries(STEPS.map((name) => [name, null]));
  const whole = { ...absent, ...json, model: { ...model, type }, added_tokens };
  return whole as unknown as TokenizerDefinition;
}

/**
 * Checks ids and merges, which the library takes on trust: with a damaged list it would go on and
 * encode wrongly. Throws `BAD_CHECKPOINT`.
 */
export function checkModel(model: Record<string, unknown>, file: string): void {
  const { vocab, merges } = model;
  if (Array.isArray(vocab)) {
    const wrong = vocab.findIndex((entry) => !Array.isArray(entry) || typeof entry[0] !== "string");
    if (wrong < 0) return;
    throw damaged(file, "a text and a score for each token", vocab[wrong]);
  }
  if (!isRecord(vocab)) throw damaged(file, "a vocabulary", vocab);
  const ids = new Set<unknown>();
  for (const id of Object.values(vocab)) {
    if (!isId(id)) throw damaged(file, "whole numbers as ids of the vocabulary", id);
    if (ids.has(id)) throw damaged(file, "one token for each id of the vocabulary", id);
    ids.add(id);
  }
  if (merges === undefined) return;
  if (!Array.isArray(merges)) throw damaged(file, "a list of merges", merges);
  const { length } = (model.continuing_subword_prefix as string | null | undefined) ?? "";
  const known = (token: string) => Object.hasOwn(vocab, token);
  for (const merge of merges) {
    const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!isPair(parts)) throw damaged(file, "two tokens in each merge", merge);
    const [first, second] = parts;
    if (known(first) && known(second) && known(first + second.slice(length))) continue;
    throw damaged(file, "merges of tokens of the vocabulary into one of them", merge);
  }
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPair(value: unknown): value is [string, string] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  return typeof value[0] === "string" && typeof value[1] === "string";
}
