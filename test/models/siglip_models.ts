/** What tests of SigLIP need of a model's folder. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { fixture, temporary } from "./fixtures.js";

/** The sizes of a small tower of either kind. */
export const TOWER = {
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};

/** A folder with a small tokenizer, and what its settings say besides its padding. */
export function tokenizerFolder(t: ExecutionContext, settings: object = {}): string {
  const folder = temporary(t);
  copyFileSync(fixture("paligemma_tokens", "tokenizer.json"), join(folder, "tokenizer.json"));
  const config = { pad_token: "<pad>", eos_token: "<eos>", ...settings };
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return folder;
}
