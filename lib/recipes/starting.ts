/** The model that a run begins with. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readTensors, writeTensors } from "../core/files.js";
import { WEIGHTS_FILE } from "../core/hub-cache.js";
import { createModule, type LoadOptions, load } from "../core/load.js";
import type { Module } from "../core/module.js";

/** What decides on the weights. */
export interface Starting {
  /** The model that the run goes on from, if any. */
  source: Module | undefined;
  /** Of the random weights. */
  seed: number;
  /** A folder for what lies on the disk for a while. */
  scratch: string;
  /** Where the model lives. */
  options: LoadOptions;
}

/** A model of a config, with the weights of `source` whose names and shapes are the same. */
export async function startingModel(config: object, starting: Starting): Promise<Module> {
  const { source, seed, scratch, options } = starting;
  if (source === undefined) return await createModule(config, { ...options, seed });
  const folder = mkdtempSync(join(scratch, ".init-"));
  try {
    await using made = await createModule(config, { seed });
    using old = await weightsOf(source, join(folder, "old"));
    using fresh = await weightsOf(made, join(folder, "fresh"));
    const merged = Object.entries(fresh).map(([name, tensor]) => {
      const before = old[name];
      return [name, before && `${before.shape}` === `${tensor.shape}` ? before : tensor] as const;
    });
    await writeTensors(join(folder, "fresh", WEIGHTS_FILE), Object.fromEntries(merged));
    return await load(join(folder, "fresh"), options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All weights under the names of the checkpoint contract, in one file. */
async function weightsOf(model: Module, folder: string) {
  await model.save(folder, { shardBytes: Number.MAX_SAFE_INTEGER });
  return await readTensors(join(folder, WEIGHTS_FILE));
}
