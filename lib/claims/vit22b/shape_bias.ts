/** Whether larger models go by shape rather than by texture. */

import type { Module } from "../../core/module.js";
import { SHAPES } from "../../data/shapesworld/vocabulary.js";
import type { ShapesWorld } from "../../data/shapesworld/world.js";
import { defineClaim, type Seeded } from "../claim.js";
import { slope } from "../statistics.js";
import { answersTo, clipsOf } from "./pictures.js";
import { alongWidths } from "./sweep.js";
import { type SmallSizes, smallModel, trainSmall } from "./training.js";
import { oneObject } from "./worlds.js";

interface Settings extends Seeded, SmallSizes {
  widths: readonly number[];
  rate: number;
  /** Pictures whose cues are in conflict. */
  held: number;
}

export const shapeBias = defineClaim<Settings>({
  id: "shape-bias",
  statement:
    "The larger the model, the more often it goes by shape where texture conflicts with it",
  source: "arXiv 2302.05442, section 4.3 (Geirhos et al., arXiv 1811.12231)",
  metric:
    "share of decisions for the shape among those for shape or texture, after training on " +
    "pictures whose texture belongs to the shape: slope over log2(width)",
  threshold: { above: 0 },
  evidence: "trained here",
  settings: {
    ...{ seeds: [4, 5, 6, 7, 8, 9], widths: [8, 16, 32, 64], depth: 2, heads: 4 },
    ...{ side: 32, patch: 8, batch: 32, steps: 1500, rate: 3e-3, held: 1024 },
  },
  quick: { seeds: [1, 2], widths: [8, 16], steps: 20, held: 64 },
  quickShows: "that the experiment runs: models of 20 steps know neither shapes nor textures",
  quickDecides: false,
  async experiment(settings, context) {
    const shares = await alongWidths(settings, context, async (width, seed) => {
      const { side, held } = settings;
      const world = oneObject({ side, seed }, "matching");
      const run = { ...settings, width, seed, question: "shape", world } as const;
      await using model = await smallModel(run);
      await trainSmall(model, run, context.signal);
      return await shapeShare(model, oneObject({ side, seed, held: true }, "conflict"), held);
    });
    return {
      values: settings.seeds.map((seed) => slope(shares.of(seed))),
      charts: [shares.chart("Decisions for the shape where texture conflicts", "share")],
      notes: shares.notes("share of decisions for the shape"),
    };
  },
});

/** Of pictures whose texture is another shape's. One half where no decision is for either. */
async function shapeShare(model: Module, world: ShapesWorld, count: number): Promise<number> {
  let [shape, texture] = [0, 0];
  for await (const { clip, answer } of answersTo(model, clipsOf(world, 0, count))) {
    const {
      objects: [object],
    } = clip;
    if (SHAPES[answer] === object!.shape) shape += 1;
    if (SHAPES[answer] === object!.texture) texture += 1;
  }
  return shape + texture === 0 ? 0.5 : shape / (shape + texture);
}
