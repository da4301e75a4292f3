/** A small PaliGemma with random weights, its tokenizer and its codec, as a folder. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import type { PaliGemmaConfigInput } from "../../lib/models/paligemma/config.js";
import { PaliGemma } from "../../lib/models/paligemma/pipeline.js";
import { withPaliGemmaTokens } from "../../lib/models/paligemma/tokens.js";
import { SMALL } from "../text/gemma.js";
import { fixture, temporary } from "./fixtures.js";

export const CONFIG: PaliGemmaConfigInput = {
  model_type: "paligemma",
  image_token_index: SMALL.image,
  vision_config: {
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    image_size: 28,
    patch_size: 14,
  },
  text_config: {
    model_type: "gemma2",
    vocab_size: SMALL.image,
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    max_position_embeddings: 256,
  },
};

/** Writes the model to a folder that is removed when the test is over. */
export async function paligemmaFolder(t: ExecutionContext): Promise<string> {
  const folder = temporary(t);
  const source = fixture("paligemma_tokens", "tokenizer.json");
  const definition = withPaliGemmaTokens(JSON.parse(readFileSync(source, "utf8")), SMALL);
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(definition));
  copyFileSync(fixture("paligemma_masks", "published", "vae-oid.npz"), join(folder, "vae-oid.npz"));
  await using model = await PaliGemma.random(CONFIG, { seed: 4, tokenizer: folder });
  await model.save(folder);
  const weights = join(folder, "model.safetensors");
  const tensors = await readTensors(weights);
  // Fresh projectors are zero: pictures would say nothing.
  const numbers = Float32Array.from({ length: 32 * 16 }, (_, place) => Math.sin(place * place));
  const projector = tensor(numbers, { shape: [32, 16] });
  await writeTensors(weights, { ...tensors, "multi_modal_projector.linear.weight": projector });
  return folder;
}

/** A picture of one colour. */
export function picture(width: number, height: number, level = 90) {
  return { data: new Uint8Array(width * height * 3).fill(level), width, height, channels: 3 };
}
