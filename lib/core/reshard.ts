/** Checkpoints as files of another number of ranks. */
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { JobOptions, ReshardRequest } from "../native/addon.js";
import { folderOf, resolveModel } from "./checkpoint.js";
import { composeJob } from "./compose.js";
import { configText } from "./config.js";
import { invalidArgument, TorchsightError } from "./errors.js";
import { BESIDE_WEIGHTS } from "./hub-cache.js";
import type { Job, JobControl, Progress } from "./job.js";
import { startJob } from "./jobs.js";
import { LAYOUTS, type Layout, openModel } from "./load.js";
import { native } from "./runtime.js";

const CONFIG_FILE = "config.json";

/** How a checkpoint is divided. */
export interface ReshardOptions extends JobControl {
  /** How many ranks each load their own file; 1 makes an ordinary checkpoint. */
  ranks: number;
  /** How the ranks will have their activations. Default `tokens`. */
  layout?: Layout | undefined;
  /** Bytes of one file of an ordinary checkpoint at most. Default 5e9. */
  shardBytes?: number | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Writes a checkpoint of any form that `load` reads, divided over other ranks or not at all, into
 * `folder`, whole or again divided: under the names of the checkpoint contract and in the dtypes
 * that it has. Never more than one tensor is in memory. The files that a model is loaded from
 * besides its weights, such as a tokenizer's, are copied. Loading needs none of this: any number of
 * ranks loads a checkpoint of any other number.
 *
 * @throws TorchsightError `NOT_FOUND`, `BAD_CHECKPOINT`; `BAD_CONFIG` where the model does not
 * divide by the ranks, with the numbers that it divides by; `UNSUPPORTED` where it never does.
 *
 * @example
 * ```ts
 * await reshard("models/vit", "models/vit-4", { ranks: 4 });
 * ```
 */
export function reshard(
  pathOrName: string,
  folder: string,
  options: ReshardOptions,
): Job<void, Progress> {
  const { ranks, layout = "tokens", shardBytes = 5e9 } = options;
  return composeJob(options, async (steps) => {
    check(ranks, layout, shardBytes);
    const path = resolveModel(pathOrName);
    const { config, plan } = openModel(path, {});
    const [source, target] = [folderOf(path), resolve(folder)];
    await copyBeside(source, target);
    const request: ReshardRequest = {
      config,
      plan: plan!, // there is one where no seed is given
      ranks,
      extra: { layout },
      folder: target,
      shardBytes,
      configText: textIn(source) ?? configText(config),
    };
    const submit = (jobOptions: JobOptions) =>
      native().submitReshard(JSON.stringify(request), jobOptions);
    await steps.run(startJob<void>({ submit, decode: () => undefined }, steps.control));
  });
}

function check(ranks: unknown, layout: unknown, shardBytes: unknown): void {
  if (!Number.isSafeInteger(ranks) || (ranks as number) < 1) {
    throw invalidArgument("ranks", "a whole number of at least 1", ranks);
  }
  if (!LAYOUTS.includes(layout as Layout)) {
    throw invalidArgument("layout", `one of ${LAYOUTS.join(", ")}`, layout);
  }
  if (!Number.isFinite(shardBytes) || (shardBytes as number) <= 0) {
    throw invalidArgument("shardBytes", "a number above 0", shardBytes);
  }
}

/** The config as it stands: systems may leave fields of other programs out of what they read. */
function textIn(folder: string): string | undefined {
  const file = join(folder, CONFIG_FILE);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

async function copyBeside(from: string, to: string): Promise<void> {
  try {
    await mkdir(to, { recursive: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `expected a folder that can be written for ${to}: ${why}`;
    throw new TorchsightError("BAD_INPUT", message, { cause: error });
  }
  for (const name of BESIDE_WEIGHTS) {
    if (name === CONFIG_FILE || from === to || !existsSync(join(from, name))) continue;
    await copyFile(join(from, name), join(to, name));
  }
}
