/** Training over ranks against training on one. */
import { LAYOUTS, type Layout, type LoadOptions } from "../../core/load.js";
import { defineClaim, type Seeded } from "../claim.js";
import { type SmallRun, type SmallSizes, smallModel, trainSmall } from "./training.js";
import { oneObject } from "./worlds.js";

interface Settings extends Seeded, SmallSizes {
  width: number;
  rate: number;
  /** Ranks of a model, and replicas of the mesh. */
  ranks: number;
}

export const shardedTraining = defineClaim<Settings>({
  id: "sharded-training",
  statement: "Training over ranks, in each layout and on a mesh, is the training of one process",
  source: "arXiv 2302.05442, section 3.2",
  metric:
    "largest relative difference of the loss from that of one process, over all steps, layouts " +
    "and the mesh",
  threshold: { most: 1e-3 },
  evidence: "trained here",
  settings: {
    ...{ seeds: [1, 2, 3], width: 32, depth: 2, heads: 4, side: 24, patch: 4 },
    ...{ batch: 16, steps: 40, rate: 1e-3, ranks: 2 },
  },
  quick: { seeds: [1, 2], steps: 4 },
  quickShows: "the same over 4 steps",
  quickDecides: true,
  async experiment(settings, { signal, onProgress }) {
    const { seeds, ranks: tensorParallel } = settings;
    const meshes: Record<string, LoadOptions> = Object.fromEntries(
      LAYOUTS.map((layout: Layout) => [layout, { tensorParallel, layout }]),
    );
    meshes.mesh = { tensorParallel, dataParallel: 2 };
    const names = Object.keys(meshes);
    const values: number[] = [];
    const notes: string[] = [];
    for (const [at, seed] of seeds.entries()) {
      const question = "shape";
      const world = oneObject({ side: settings.side, seed });
      const run = { ...settings, seed, question, world } as const;
      const alone = await losses(run, {}, signal);
      const gaps: number[] = [];
      for (const [place, name] of names.entries()) {
        onProgress((at + place / names.length) / seeds.length, `${name}, seed ${seed}`);
        const sharded = await losses(run, meshes[name]!, signal);
        gaps.push(Math.max(...sharded.map((loss, i) => Math.abs(loss - alone[i]!) / alone[i]!)));
      }
      values.push(Math.max(...gaps));
      const told = names.map((name, i) => `${name} ${gaps[i]!.toExponential(1)}`);
      notes.push(`Seed ${seed}: ${told.join(", ")}.`);
    }
    return { values, charts: [], notes };
  },
});

async function losses(run: SmallRun, options: LoadOptions, signal: AbortSignal): Promise<number[]> {
  await using model = await smallModel(run, options);
  return await trainSmall(model, run, signal);
}
