/** A run of training as a recipe says it, in a folder of its own. */
import { invalidArgument } from "../core/errors.js";
import { type LoadOptions, load } from "../core/load.js";
import type { Module } from "../core/module.js";
import type { ClassificationOptions } from "../data/index.js";
import { Trainer } from "../train/index.js";
import { openData } from "./data.js";
import { evaluate } from "./evaluate.js";
import { RunFolder } from "./folder.js";
import { type Finished, finish, makeSteps, type Running } from "./loop.js";
import { type Metrics, MetricsFile } from "./metrics.js";
import type { Recipe } from "./recipe.js";
import { startingModel } from "./starting.js";
import { Tracked } from "./tracked.js";
import type { TrainableSystem } from "./trainable.js";

/** Where and how a run takes place. */
export interface RunOptions {
  /**
   * The folder of the run: `recipe.json`, `metrics.jsonl` and checkpoints; in the end `model`,
   * `curve.svg` and `curve.png`.
   */
  out: string;
  /** Goes on from the newest checkpoint in `out`. */
  resume?: boolean | undefined;
  /** Steps to stop after; the schedule stays the recipe's. Default: the recipe's. */
  steps?: number | undefined;
  /** Where the model lives. */
  load?: LoadOptions | undefined;
  /** Ends the run after a checkpoint, with `CANCELLED`. */
  signal?: AbortSignal | undefined;
  /** Told of each step and of each evaluation once it is done. */
  onMetrics?: ((metrics: Metrics) => void) | undefined;
  /** Told of each sample that cannot be used. Default: a warning of the process. */
  onBad?: ClassificationOptions["onBad"];
}

/**
 * Trains a classifier, and leaves everything about the run in a folder. Rejects with `BAD_CONFIG`
 * for what does not fit together, `BAD_INPUT` where there is another run in the folder, `NOT_FOUND`
 * and `BAD_CHECKPOINT` where there is none to go on from, `DIVERGED`, and `CANCELLED`.
 *
 * @example
 * ```ts
 * const recipe = readRecipe("vit22b/shapes");
 * const { model, evaluation } = await runRecipe(recipe, vit22b.training, { out: "run" });
 * ```
 */
export async function runRecipe<Config extends object>(
  recipe: Recipe,
  system: TrainableSystem<Config>,
  options: RunOptions,
): Promise<Finished> {
  const { out, resume = false, steps = recipe.steps, signal, onMetrics, onBad } = options;
  checkSteps(recipe, steps);
  const folder = new RunFolder(out);
  const checkpoint = folder.prepare(recipe, resume);
  const loading = { ...options.load, signal };
  await using source = await sourceModel(recipe, checkpoint, loading);
  const config = system.parseConfig(source?.config ?? recipe.model);
  const indices = (recipe.trainer.loss ?? system.loss(config)) === "softmax";
  const part = { size: system.inputSize(config), indices, signal, onBad };
  const most = recipe.evaluationSamples;
  await using data = await openData(recipe, { ...part, split: "train" });
  await using held = most > 0 ? await openData(recipe, { ...part, split: "held" }) : undefined;
  const { labels } = data;
  const complete = system.withLabels(config, labels, recipe.init !== undefined);
  const starting = { source, seed: recipe.seed, scratch: out, options: loading };
  await using model =
    source && checkpoint !== undefined ? source : await startingModel(complete, starting);
  using trainer = new Trainer(model, recipe.trainer);
  const loader = new Tracked(data.loader);
  if (checkpoint !== undefined) await trainer.resume(out, loader);
  folder.note(recipe);
  using file = new MetricsFile(folder.metrics, trainer.steps);
  const running: Running = {
    ...{ recipe, steps, folder, model, labels, trainer, loader, signal },
    evaluate: async () => held && (await evaluate({ model, trainer, held, indices, most, signal })),
    tell: (metrics) => {
      file.add(metrics);
      onMetrics?.(metrics);
    },
  };
  await makeSteps(running);
  return await finish(running);
}

/** @internal Steps that the schedule has no rates for mean nothing. */
export function checkSteps({ steps, trainer: { schedule = {} } }: Recipe, target: number): void {
  const { kind, steps: end = steps, cooldown = 0 } = schedule;
  const ends = kind === "linear" || kind === "cosine" || cooldown > 0;
  if (Number.isSafeInteger(target) && target >= 1 && !(ends && target > end)) return;
  const bounds = ends ? `from 1 to ${end}, where the schedule ends,` : "of at least 1";
  throw invalidArgument("steps", `a whole number ${bounds}`, target);
}

/** @internal The model that is there before the run, if any. */
export async function sourceModel(
  { init }: Recipe,
  checkpoint: string | undefined,
  options: LoadOptions,
): Promise<Module | undefined> {
  if (checkpoint !== undefined) return await load(checkpoint, options);
  return init === undefined ? undefined : await load(init, { signal: options.signal });
}
