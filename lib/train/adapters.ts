/**
 * Adapters as PEFT has them on disk: `adapter_config.json` and `adapter_model.safetensors` with
 * names such as `base_model.model.blocks.0.attn.q.lora_A.weight`.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TorchsightError } from "../core/errors.js";
import { readTensors, writeTensors } from "../core/files.js";
import type { NamedTensors } from "../core/named.js";
import type { Tensor } from "../core/tensor.js";
import type { AdapterOptions } from "./options.js";
import type { Trainable } from "./trainer.js";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const PREFIX = "base_model.model.";
const LORA = /^(.*)\.lora_[AB]\.weight$/;

/** What a folder of adapters holds. */
export interface ReadAdapters {
  rank: number;
  alpha: number;
  /** By the names that the trainer has for them. */
  tensors: NamedTensors;
}

/** @internal Writes what a trainer has trained: adapters, and whole weights beside them. */
export async function writeAdapters(
  folder: string,
  trained: Record<string, Tensor>,
  { rank = 8, alpha = rank }: AdapterOptions,
): Promise<void> {
  const targets = new Set<string>();
  const whole = new Set<string>();
  for (const name of Object.keys(trained)) {
    const adapted = LORA.exec(name)?.[1];
    if (adapted === undefined) whole.add(name.slice(0, Math.max(0, name.lastIndexOf("."))));
    else targets.add(adapted);
  }
  const config = {
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: [...targets],
    modules_to_save: whole.size > 0 ? [...whole] : null,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
  };
  const named = Object.entries(trained).map(([name, tensor]) => [`${PREFIX}${name}`, tensor]);
  mkdirSync(folder, { recursive: true });
  const metadata = { format: "pt" };
  await writeTensors(join(folder, WEIGHTS), Object.fromEntries(named), { metadata });
  await writeFile(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * @internal Reads adapters. Rejects with `NOT_FOUND`, `BAD_CHECKPOINT`, or `UNSUPPORTED` for kinds
 * of adapters beyond plain LoRA.
 */
export async function readAdapters(folder: string): Promise<ReadAdapters> {
  const config = readConfig(folder);
  const { r, lora_alpha } = config;
  for (const [name, plain] of Object.entries(PLAIN)) {
    const value = config[name];
    if (value === undefined || value === null || isPlain(value, plain)) continue;
    const received = `received ${JSON.stringify(value)} in ${join(folder, CONFIG)}`;
    const expected = `expected ${JSON.stringify(plain)} for ${name}`;
    throw new TorchsightError("UNSUPPORTED", `${expected} but ${received}`);
  }
  if (!Number.isSafeInteger(r) || typeof lora_alpha !== "number") {
    throw bad(folder, "expected numbers for r and lora_alpha");
  }
  const tensors = await readTensors(join(folder, WEIGHTS));
  for (const name of Object.keys(tensors)) {
    if (!name.startsWith(PREFIX)) {
      tensors[Symbol.dispose]();
      throw bad(folder, `expected names that begin with ${PREFIX} but received ${name}`);
    }
    tensors[name.slice(PREFIX.length)] = tensors[name]!;
    delete tensors[name];
  }
  return { rank: r as number, alpha: lora_alpha, tensors };
}

/**
 * Puts adapters that were saved, by a trainer or by PEFT, into the weights of their base model, for
 * good: the module then computes as fast as before and can be saved as any other. Rejects with
 * `BAD_CHECKPOINT` where they do not fit, and `UNSUPPORTED` for modules without a trainer and for
 * kinds of adapters beyond plain LoRA.
 *
 * @example
 * ```ts
 * await using model = await load("models/vit");
 * await mergeAdapters(model, "adapters/mine");
 * await model.save("models/mine");
 * ```
 */
export async function mergeAdapters(module: Trainable, folder: string): Promise<void> {
  const { rank, alpha, tensors } = await readAdapters(folder);
  using _ = tensors;
  const adapted = new Set<string>();
  const groups: { pattern: string }[] = [];
  for (const name of Object.keys(tensors)) {
    const layer = LORA.exec(name)?.[1];
    if (layer === undefined) groups.push({ pattern: name });
    else adapted.add(`${layer}.weight`);
  }
  try {
    const adapters = { patterns: [...adapted], rank, alpha };
    using session = module.openSession("trainer", { loss: "given", adapters, groups });
    await session.call("adopt", tensors);
  } catch (error) {
    throw misfit(folder, error);
  }
}

/** @internal What a native error about adapters means. */
export function misfit(folder: string, error: unknown): unknown {
  if (!(error instanceof TorchsightError)) return error;
  const misfits = ["BAD_INPUT", "BAD_CONFIG", "SHAPE"].includes(error.code);
  return misfits ? bad(folder, error.message, error) : error;
}

/** What must be so, or left out, for adapters to be plain LoRA. */
const PLAIN = {
  peft_type: "LORA",
  bias: "none",
  fan_in_fan_out: false,
  use_dora: false,
  use_rslora: false,
  lora_bias: false,
  rank_pattern: {},
  alpha_pattern: {},
};

function isPlain(value: unknown, plain: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(plain);
}

function readConfig(folder: string): Record<string, unknown> {
  const path = join(folder, CONFIG);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new TorchsightError("NOT_FOUND", `there are no adapters in ${folder}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(folder, `${CONFIG} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function bad(folder: string, message: string, cause?: unknown): TorchsightError {
  return new TorchsightError("BAD_CHECKPOINT", `${folder}: ${message}`, { cause });
}
