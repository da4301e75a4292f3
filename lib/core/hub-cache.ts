/**
 * The hub's cache on this machine, which Python's huggingface_hub shares: for each model a folder
 * `models--org--name` with `refs/REVISION` (the name of a commit), `snapshots/COMMIT/FILE` and
 * `blobs/CONTENT`. Nothing here writes or asks the network; `lib/hub` fills the cache.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { describeValue, TorchsightError } from "./errors.js";

/** A file with all weights of a model. */
export const WEIGHTS_FILE = "model.safetensors";
/** A file that tells which of several files has which weights. */
export const INDEX_FILE = "model.safetensors.index.json";
/** A file that tells how the weights lie in files of several ranks. */
export const SHARDS_FILE = "torchsight-shards.json";
/** Every file that a tokenizer may be read from. */
export const TOKENIZER_FILES: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "vocab.json",
  "merges.txt",
];

/** What a model is loaded from besides its weights. */
export const BESIDE_WEIGHTS: readonly string[] = [
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  ...TOKENIZER_FILES,
];

const DEFAULT_REVISION = "main";
/** As the reader of checkpoints has it. */
const LARGEST_INDEX = 16 * 2 ** 20;

/** A model on the hub. */
export interface HubName {
  /** `org/name` */
  readonly name: string;
  /** A branch, a tag, `refs/pr/N` or a commit. */
  readonly revision: string;
}

/**
 * Reads `org/name` or `org/name@revision`; undefined for what is neither. Names become folders, so
 * those that could lead elsewhere are none.
 */
export function parseHubName(text: string): HubName | undefined {
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  const [org, model, ...more] = name.split("/");
  // Two dashes stand for the slash in the names of the cache's folders.
  const known = [org, model].every((part) => part && /^\w([\w.-]{0,94}\w)?$/.test(part));
  if (!known || more.length > 0 || /\.\.|--|\.git$/.test(name)) return undefined;
  return isRevision(revision) ? { name, revision } : undefined;
}

/** Whether git could have a branch, a tag or a commit of this name. */
export function isRevision(text: string): boolean {
  const parts = text.split("/");
  const known = parts.every((part) => /^[\w+-][\w.+-]*$/.test(part));
  return known && text.length <= 255 && !text.includes("..");
}

/** Whether a name of a commit or of a content, which comes from outside, is safe as a file name. */
export function isIdentifier(text: unknown): text is string {
  return typeof text === "string" && /^[\w-]{1,128}$/.test(text);
}

/** The folder of everything of the hub: `HF_HOME`, else `huggingface` in the user's caches. */
export function hubHome(env: NodeJS.ProcessEnv = process.env): string {
  const caches = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return resolve(expand(env.HF_HOME || join(caches, "huggingface"), env));
}

/** The folder of models: `HF_HUB_CACHE`, by its old name `HUGGINGFACE_HUB_CACHE`, or `hub`. */
export function hubCache(env: NodeJS.ProcessEnv = process.env): string {
  const named = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  return named ? resolve(expand(named, env)) : join(hubHome(env), "hub");
}

/** A leading `~` and variables in a path, as Python's `expanduser` and `expandvars` read them. */
export function expand(path: string, env: NodeJS.ProcessEnv): string {
  return path
    .replace(/^~(?=[/\\]|$)/, () => homedir())
    .replace(/\$(\w+|\{\w+\})/g, (whole, name: string) => env[name.replace(/\W/g, "")] ?? whole);
}

/** The folder of a model in the cache, whether it is there or not. */
export function modelFolder(name: string, cache = hubCache()): string {
  return join(cache, `models--${name.replace("/", "--")}`);
}

/** The folder of a model at a revision; undefined where the cache has none. */
export function snapshotOf({ name, revision }: HubName, cache = hubCache()): string | undefined {
  const folder = modelFolder(name, cache);
  const reference = join(folder, "refs", revision);
  const named = isFile(reference) ? readFileSync(reference, "utf8").trim() : revision;
  if (!isIdentifier(named)) return undefined;
  const snapshot = join(folder, "snapshots", named);
  return existsSync(snapshot) ? snapshot : undefined;
}

/**
 * The folder of a model at a revision with all weights in it. Throws `NOT_FOUND` with what to do,
 * its reason `NOT_CACHED` or `INCOMPLETE`, and `BAD_CHECKPOINT` for an index that means nothing.
 */
export function completeSnapshot(hub: HubName, cache = hubCache()): string {
  const snapshot = snapshotOf(hub, cache);
  const { name, revision } = hub;
  if (snapshot !== undefined) {
    const [missing] = missingWeights(snapshot);
    if (missing === undefined) return snapshot;
    const why = `the model ${name} in the hub's cache (${cache}) lacks ${missing}`;
    throw notFound("INCOMPLETE", `${why}: ${howToPull(hub)} completes it`);
  }
  if (existsSync(modelFolder(name, cache))) {
    const why = `the hub's cache (${cache}) has parts of ${name} but not all of ${revision}`;
    throw notFound("INCOMPLETE", `${why}: ${howToPull(hub)} completes it`);
  }
  const why = `there is no model ${name}, neither as a path nor in the hub's cache (${cache})`;
  throw notFound("NOT_CACHED", `${why}: ${howToPull(hub)} downloads it`);
}

/**
 * The names of the files that an index tells of. Throws `BAD_CHECKPOINT` unless each is a plain
 * name: a path could lead out of the folder, or to another model on the hub.
 */
export function shardNames(file: string, what = file): string[] {
  const bad = (reason: string, expected: string, actual: unknown) =>
    new TorchsightError(
      "BAD_CHECKPOINT",
      `expected ${expected} in ${what} but received ${describeValue(actual)}`,
      { reason },
    );
  const { size } = statSync(file);
  if (size > LARGEST_INDEX) throw bad("INDEX_TOO_LARGE", `at most ${LARGEST_INDEX} bytes`, size);
  let index: unknown;
  try {
    index = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw bad("INDEX_MALFORMED", "JSON", error instanceof Error ? error.message : error);
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw bad("NO_WEIGHT_MAP", "an object as weight_map", map);
  }
  const names = [...new Set<unknown>(Object.values(map))];
  if (names.length === 0) throw bad("WEIGHT_MAP_EMPTY", "tensors in weight_map", map);
  for (const name of names) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    if (typeof name !== "string" || !/^(?!\.\.?$)[^/\\:\x00-\x1f\x7f]{1,255}$/.test(name)) {
      throw bad("SHARD_NAME", "names of files beside it", name);
    }
  }
  return names as string[];
}

/** The files of weights that a snapshot lacks: the weights come last in a download. */
export function missingWeights(snapshot: string): string[] {
  const has = (name: string) => existsSync(join(snapshot, name));
  if (has(WEIGHTS_FILE)) return [];
  if (!has(INDEX_FILE)) return [WEIGHTS_FILE];
  return shardNames(join(snapshot, INDEX_FILE)).filter((name) => !has(name));
}

function howToPull({ name, revision }: HubName): string {
  if (revision === DEFAULT_REVISION) return `\`npx torchsight pull ${name}\` or pull("${name}")`;
  const call = `pull("${name}", { revision: "${revision}" })`;
  return `\`npx torchsight pull ${name} --revision ${revision}\` or ${call}`;
}

function notFound(reason: string, message: string): TorchsightError {
  return new TorchsightError("NOT_FOUND", message, { reason });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
