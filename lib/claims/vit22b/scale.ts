/** Whether frozen features of larger models tell more. */
import { defineClaim, type Seeded } from "../claim.js";
import { slope } from "../statistics.js";
import { probeAccuracy } from "./probe.js";
import { alongWidths } from "./sweep.js";
import { type SmallSizes, smallModel, trainSmall } from "./training.js";
import { oneObject } from "./worlds.js";

interface Settings extends Seeded, SmallSizes {
  widths: readonly number[];
  rate: number;
  /** Pictures that the probe is fitted to, and as many that it is judged by. */
  probed: number;
}

export const scale = defineClaim<Settings>({
  id: "scale",
  statement: "The larger the model, the more a linear probe tells by its frozen features",
  source: "arXiv 2302.05442, section 4.1",
  metric:
    "accuracy of a linear probe for the shape of a scene's object, on features of models trained " +
    "on shapes and colours: slope over log2(width)",
  threshold: { above: 0 },
  evidence: "trained here",
  settings: {
    ...{ seeds: [1, 2, 3], widths: [8, 16, 32, 64], depth: 2, heads: 4, side: 32, patch: 8 },
    ...{ batch: 32, steps: 1500, rate: 3e-3, probed: 2048 },
  },
  quick: { seeds: [1, 2], widths: [8, 16], steps: 20, probed: 128 },
  quickShows: "that the experiment runs: 20 steps teach nothing",
  quickDecides: false,
  async experiment(settings, context) {
    const { side, probed } = settings;
    const accuracies = await alongWidths(settings, context, async (width, seed) => {
      const worlds = [oneObject({ side, seed }), oneObject({ side, seed, held: true })] as const;
      const [world] = worlds;
      const run = { ...settings, width, seed, question: "shapes and colours", world } as const;
      await using model = await smallModel(run);
      await trainSmall(model, run, context.signal);
      return await probeAccuracy(model, worlds, probed);
    });
    return {
      values: settings.seeds.map((seed) => slope(accuracies.of(seed))),
      charts: [accuracies.chart("Linear probe of frozen features", "accuracy")],
      notes: accuracies.notes("accuracy"),
    };
  },
});
