/** The language model that decoding is measured with, and how much work it is. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { manualSeed, randint } from "../core/create.js";
import { readTensors, writeTensors } from "../core/files.js";
import type { Module } from "../core/module.js";
import { ops } from "../core/ops.js";
import type { Session } from "../core/session.js";
import type { Tensor } from "../core/tensor.js";
import type { GemmaMethods } from "../models/gemma/methods.js";
import { Gemma, type GemmaLoadOptions } from "../models/gemma/pipeline.js";
import { seconds, type Timed } from "./measure.js";

/** A Gemma of 283 million parameters. */
export const DECODER = {
  model_type: "gemma",
  hidden_size: 1024,
  num_hidden_layers: 18,
  intermediate_size: 4096,
  num_attention_heads: 8,
  num_key_value_heads: 1,
  head_dim: 128,
  vocab_size: 14_000,
} as const;

/** Tokens of the prompt, and how many are read one by one after it. */
export const PROMPT = 272;
export const STEPS = 32;
/**
 * How the weights are drawn. With the table drawn as large as all else, a token's own row outweighs
 * what the layers add: every text would repeat its last token, and none could come out differently.
 */
export const WEIGHTS = { seed: 1, tableScale: 0.1 } as const;
const TABLE = "model.embed_tokens.weight";

/** Weights of a layer's matrices. */
function layerWeights(): number {
  const { hidden_size: d, intermediate_size: F, head_dim: e } = DECODER;
  const { num_attention_heads: H, num_key_value_heads: K } = DECODER;
  return 2 * d * e * (H + K) + 3 * d * F;
}

/** Weights that each step reads: all matrices, with the table as the head. */
export function stepWeights(): number {
  const { hidden_size: d, num_hidden_layers: L, vocab_size: V } = DECODER;
  return L * layerWeights() + V * d;
}

/** Operations of reading the prompt: each token sees those before it, the last one has logits. */
export function prefillFlops(): number {
  const { hidden_size: d, num_hidden_layers: L, vocab_size: V } = DECODER;
  const { head_dim: e, num_attention_heads: H } = DECODER;
  const attention = 4 * H * e * ((PROMPT * (PROMPT + 1)) / 2);
  return L * (2 * PROMPT * layerWeights() + attention) + 2 * V * d;
}

/** Writes the model into a folder as published ones are, its weights drawn. */
export async function writeDecoder(folder: string): Promise<void> {
  {
    await using model = await Gemma.random(DECODER, { seed: WEIGHTS.seed });
    await model.save(folder);
  }
  const weights = join(folder, "model.safetensors");
  using drawn = await readTensors(weights);
  ops.mul_(drawn[TABLE]!, WEIGHTS.tableScale);
  const changed = join(folder, "changed.safetensors");
  await writeTensors(changed, drawn, { metadata: { format: "pt" } });
  renameSync(changed, weights);
}

/** Token ids that nobody wrote, always the same: int64 [rows, PROMPT]. */
export function drawPrompts(rows = 1): Tensor {
  manualSeed(WEIGHTS.seed);
  return randint(0, DECODER.vocab_size, [rows, PROMPT]);
}

/** Options of `generate` for texts of exactly that length, always of the likeliest tokens. */
export const exactly = (tokens: number) => ({ max_new_tokens: tokens, eos_token_id: [] });

/** A loaded decoder with a cache for one text, which holds the prompt once it was read. */
export class Decoding implements AsyncDisposable {
  readonly module: Module<GemmaMethods>;
  readonly #session: Session;
  readonly #prompt = drawPrompts();

  private constructor(module: Module<GemmaMethods>) {
    this.module = module;
    this.#session = module.openSession("cache", { max_length: PROMPT + STEPS });
  }

  /** Loads the model and reads the prompt. */
  static async load(folder: string, options: GemmaLoadOptions = {}): Promise<Decoding> {
    const decoding = new Decoding((await Gemma.load(folder, options)).module);
    await decoding.prefill();
    return decoding;
  }

  /** Seconds of reading the prompt. */
  readonly prefill: Timed = () =>
    seconds(async () => {
      using _ = await this.#session.call("prefill", { input_ids: this.#prompt });
    });

  /** Seconds of STEPS steps after the prompt: of all tokens but the first, which needs none. */
  readonly decode: Timed = () =>
    seconds(async () => {
      using _ = await this.#session.call("generate", {}, { args: exactly(STEPS + 1) });
    });

  [Symbol.asyncDispose](): Promise<void> {
    this.#prompt.dispose();
    return this.module[Symbol.asyncDispose]();
  }
}
