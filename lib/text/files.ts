/** The files of a tokenizer in a checkpoint's folder. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TorchsightError } from "../core/errors.js";
import { clipConfig, clipDefinition } from "./clip.js";
import { damaged, isRecord, parseDefinition, type TokenizerDefinition } from "./definition.js";
import { mergeSpecialTokens, type TokenizerConfig } from "./special.js";

/** A tokenizer as its files give it. */
export interface TokenizerFiles {
  definition: TokenizerDefinition;
  config: TokenizerConfig;
}

/**
 * Reads `tokenizer.json`, or else CLIP's `vocab.json` and `merges.txt`, with the settings beside
 * them. Throws `NOT_FOUND`, `BAD_CHECKPOINT` and `UNSUPPORTED`.
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const [settings, map] = await Promise.all([
    readObject(join(folder, "tokenizer_config.json")),
    readObject(join(folder, "special_tokens_map.json")),
  ]);
  const config = mergeSpecialTokens(settings ?? {}, map ?? {});
  const file = join(folder, "tokenizer.json");
  const whole = await readJson(file);
  if (whole !== undefined) return { definition: parseDefinition(whole, file), config };

  const [vocab, merges] = await Promise.all([
    readJson(join(folder, "vocab.json")),
    readText(join(folder, "merges.txt")),
  ]);
  if (vocab === undefined || merges === undefined) {
    const found = vocab !== undefined ? "vocab.json" : merges !== undefined ? "merges.txt" : "none";
    throw new TorchsightError(
      "NOT_FOUND",
      `expected tokenizer.json, or vocab.json and merges.txt, in ${folder} but found ${found}`,
    );
  }
  const complete = clipConfig(config);
  return { definition: clipDefinition(vocab, merges, complete, folder), config: complete };
}

/** The parsed contents of a file; undefined where there is none. */
async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TorchsightError("BAD_CHECKPOINT", `expected JSON in ${file}: ${why(error)}`, {
      cause: error,
    });
  }
}

async function readObject(file: string): Promise<Record<string, unknown> | undefined> {
  const value = await readJson(file);
  if (value === undefined || isRecord(value)) return value;
  throw damaged(file, "an object", value);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new TorchsightError("BAD_CHECKPOINT", `cannot read ${file}: ${why(error)}`, {
      cause: error,
    });
  }
}

function why(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
