/** What it saves that attention and MLP of a layer stand side by side. */

import { estimate, seconds } from "../../bench/measure.js";
import { randn } from "../../core/create.js";
import { createModule } from "../../core/load.js";
import type { Module } from "../../core/module.js";
import { parseConfig } from "../../models/vit22b/config.js";
import { dryRun } from "../../models/vit22b/plan.js";
import { defineClaim, type Seeded } from "../claim.js";
import { accuracyOf, type SmallSizes, smallModel, trainSmall } from "./training.js";
import { oneObject } from "./worlds.js";

const RANKS = 2;
const BLOCKS = ["parallel", "sequential"] as const;
type Block = (typeof BLOCKS)[number];

interface TimeSettings extends Seeded {
  width: number;
  depth: number;
  heads: number;
  side: number;
  patch: number;
  /** Microseconds that each message takes longer, as over a slower network. */
  delay: number;
  /** Calls of each model, in turns. */
  rounds: number;
}

interface AccuracySettings extends Seeded, SmallSizes {
  width: number;
  rate: number;
  /** Pictures that were not trained on. */
  held: number;
}

export const parallelMessages = defineClaim<TimeSettings>({
  id: "parallel-block-messages",
  statement:
    "Over ranks a parallel layer needs one gather and one scatter where a sequential one needs " +
    "two of each, and saves the time of the others",
  source: "arXiv 2302.05442, sections 2 and 3.2",
  metric:
    "time that parallel layers save because messages are delayed, over the delay of the messages " +
    "that they do without",
  threshold: { least: 0.75 },
  evidence: "no weights",
  settings: {
    ...{ seeds: [1, 2, 3], width: 256, depth: 6, heads: 8, side: 112, patch: 14 },
    ...{ delay: 3000, rounds: 11 },
  },
  quick: { seeds: [1, 2], depth: 2, rounds: 3 },
  quickShows: "the same, of two layers and with few repeats",
  quickDecides: false,
  async experiment(settings, context) {
    const [parallel, sequential] = BLOCKS.map((block) => messages(settings, block)) as Pair;
    const awaited = (sequential - parallel) * settings.delay * 1e-6;
    const values: number[] = [];
    for (const [at, seed] of settings.seeds.entries()) {
      context.onProgress(at / settings.seeds.length, `delayed messages, seed ${seed}`);
      values.push((await savedByDelay(settings, seed, context.signal)) / awaited);
    }
    return {
      values,
      charts: [],
      notes: [
        `Counted in a dry run over ${RANKS} ranks, layout tokens: ${settings.depth} parallel ` +
          `layers send ${parallel} messages, half of them to gather and half to scatter; as many ` +
          `sequential layers ${sequential}. Each takes ${settings.delay / 1000} ms longer here.`,
      ],
    };
  },
});

type Pair = [parallel: number, sequential: number];

/** Messages of all layers of one call. */
function messages(settings: TimeSettings, block: Block): number {
  const calls = (depth: number) => {
    const config = parseConfig(configOf({ ...settings, depth }, block));
    const { traffic } = dryRun(config, { tensorParallel: RANKS, dtype: "float32" });
    return Object.values(traffic).reduce((sum, kind) => sum + kind.calls, 0);
  };
  // What is sent once a call, whatever the depth, is no layer's.
  return calls(2 * settings.depth) - calls(settings.depth);
}

/** Seconds by which the delay makes sequential layers slower than parallel ones. */
async function savedByDelay(
  settings: TimeSettings,
  seed: number,
  signal: AbortSignal,
): Promise<number> {
  const { side, delay, rounds } = settings;
  const open = (block: Block, messageDelay: number) =>
    createModule(configOf(settings, block), {
      ...{
        seed,
        tensorParallel: RANKS,
        threads: 1,
        overlap: "none",
        extra: { messageDelay },
        signal,
      },
    });
  await using parallel = await open("parallel", 0);
  await using delayedParallel = await open("parallel", delay);
  await using sequential = await open("sequential", 0);
  await using delayedSequential = await open("sequential", delay);
  using pixel_values = randn([1, 3, side, side]);
  const time = (model: Module) =>
    seconds(async () => {
      using _ = await model.call("encode", { pixel_values }, { signal });
    });
  const models = [parallel, delayedParallel, sequential, delayedSequential];
  for (const model of models) await time(model);
  const saved: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const times: number[] = [];
    for (const model of models) times.push(await time(model));
    const [p, dp, s, ds] = times as [number, number, number, number];
    saved.push(ds - s - (dp - p));
  }
  return estimate(saved).median;
}

function configOf({ width, depth, heads, side, patch }: TimeSettings, block: Block) {
  return {
    model_type: "vit22b",
    hidden_size: width,
    num_hidden_layers: depth,
    num_attention_heads: heads,
    intermediate_size: 4 * width,
    image_size: side,
    patch_size: patch,
    pooling: "mean",
    block,
  } as const;
}

export const parallelAccuracy = defineClaim<AccuracySettings>({
  id: "parallel-block-accuracy",
  statement: "Parallel layers are as accurate as sequential ones after as many updates",
  source: "arXiv 2302.05442, section 2",
  metric: "accuracy on shapes in pictures that were not trained on, parallel less sequential",
  threshold: { least: -0.01 },
  evidence: "trained here",
  settings: {
    ...{ seeds: [1, 2, 3, 4, 5], width: 64, depth: 2, heads: 4, side: 32, patch: 8 },
    ...{ batch: 32, steps: 3000, rate: 2e-3, held: 4096 },
  },
  quick: { seeds: [1, 2], width: 16, steps: 30, held: 64 },
  quickShows: "that both train: 30 steps are too few to learn shapes",
  quickDecides: false,
  async experiment(settings, context) {
    const values: number[] = [];
    const notes: string[] = [];
    for (const [at, seed] of settings.seeds.entries()) {
      const accuracies: number[] = [];
      for (const [half, block] of BLOCKS.entries()) {
        const done = (at + half / BLOCKS.length) / settings.seeds.length;
        context.onProgress(done, `${block} layers, seed ${seed}`);
        accuracies.push(await accuracyAfter(settings, block, seed, context.signal));
      }
      const [parallel, sequential] = accuracies as Pair;
      values.push(parallel - sequential);
      notes.push(
        `Seed ${seed}: ${parallel.toFixed(3)} parallel, ${sequential.toFixed(3)} sequential.`,
      );
    }
    return { values, charts: [], notes };
  },
});

async function accuracyAfter(
  settings: AccuracySettings,
  block: Block,
  seed: number,
  signal: AbortSignal,
): Promise<number> {
  const { side, held } = settings;
  const world = oneObject({ side, seed });
  const run = { ...settings, seed, question: "shape", world, config: { block } } as const;
  await using model = await smallModel(run);
  await trainSmall(model, run, signal);
  return await accuracyOf(model, oneObject({ side, seed, held: true }), held);
}
