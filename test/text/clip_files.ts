/** CLIP's tokenizer as checkpoints hold it, rebuilt from the stored merges. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fixture } from "../models/fixtures.js";

/** What `scripts/oracles/clip_tokenizer.py` wrote for a text. */
export interface ClipCase {
  text: string;
  ids: number[];
  /** Ids with the settings that transformers 4 wrote, where they differ. */
  older?: number[];
  /** Text of the ids, special tokens left out. */
  decoded: string;
  /** OwlViTProcessor's row of 16; the ids cut to 16 where the text does not fit. */
  row: number[];
}

/** How the files of a checkpoint are laid out, and which settings lie beside them. */
export interface ClipFiles {
  layout: "tokenizer.json" | "vocab.json";
  settings?: "plain" | "older" | undefined;
}

const stored = (name: string) => fixture("clip_tokenizer", name);
const readJson = (name: string) => JSON.parse(readFileSync(stored(name), "utf8"));

/** All texts of the oracle. */
export const clipCases: readonly ClipCase[] = readJson("cases.json");

/** `merges.txt` as published. */
export const clipMerges = gunzipSync(readFileSync(stored("merges.txt.gz"))).toString("utf8");

/** The characters that stand for the 256 bytes, in the order of CLIP's ids. */
function byteSymbols(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const others = bytes.filter((byte) => !printable(byte)).map((_, index) => 256 + index);
  return [...bytes.filter(printable), ...others].map((code) => String.fromCharCode(code));
}

/** `vocab.json` as published: bytes, bytes that end a word, merges, start and end. */
export function clipVocabulary(): Record<string, number> {
  const symbols = byteSymbols();
  const merged = clipMerges.trimEnd().split("\n").slice(1);
  const tokens = [
    ...symbols,
    ...symbols.map((symbol) => `${symbol}</w>`),
    ...merged.map((pair) => pair.replace(" ", "")),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** The `tokenizer.json` that transformers saves. */
export function savedTokenizer(): { model: object; [field: string]: unknown } {
  const saved = readJson("tokenizer.json");
  const merges = clipMerges
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((pair) => pair.split(" "));
  return { ...saved, model: { ...saved.model, vocab: clipVocabulary(), merges } };
}

/** Writes CLIP's tokenizer as OWL-ViT's checkpoints have it. */
export function writeClipFiles(folder: string, { layout, settings }: ClipFiles): void {
  if (layout === "tokenizer.json") {
    writeFileSync(join(folder, layout), JSON.stringify(savedTokenizer()));
  } else {
    writeFileSync(join(folder, layout), JSON.stringify(clipVocabulary()));
    writeFileSync(join(folder, "merges.txt"), clipMerges);
  }
  if (settings === undefined) return;
  const chosen = JSON.stringify(readJson("settings.json")[settings]);
  writeFileSync(join(folder, "tokenizer_config.json"), chosen);
}
