/** Normalised queries and keys against learning rates that are too high. */
import type { Chart } from "../../chart/index.js";
import type { Module } from "../../core/module.js";
import type { Tensor } from "../../core/tensor.js";
import { type ClaimContext, defineClaim, type Evidence, type Seeded } from "../claim.js";
import { interval } from "../statistics.js";
import { batchOf, clipsOf } from "./pictures.js";
import { last, type SmallRun, type SmallSizes, smallModel, trainSmall } from "./training.js";
import { oneObject } from "./worlds.js";

interface Settings extends Seeded, SmallSizes {
  widths: readonly number[];
  /** Peaks of the learning rate. */
  rates: readonly number[];
}

const ARMS = [
  { qk_norm: "layernorm_no_bias", name: "with QK norm" },
  { qk_norm: "none", name: "without" },
] as const;

/** One model that was trained. */
interface Run {
  seed: number;
  width: number;
  rate: number;
  arm: (typeof ARMS)[number];
  /** Of the last tenth of the steps, but at most that of the first step. */
  loss: number;
  /** The largest attention logit of any layer at the end. */
  logit: number;
}

/** Pictures by which attention is looked at. */
const LOOKED_AT = 32;

export const learningRate = defineClaim<Settings>({
  id: "qk-norm",
  statement:
    "Without normalised queries and keys attention logits grow at high learning rates and " +
    "training suffers; with them the same rates train",
  source: "arXiv 2302.05442, section 2",
  metric:
    "learning rate sensitivity (mean over rates of the final loss less that of the best rate, " +
    "arXiv 2309.14322) without QK norm less that with it, mean over widths",
  threshold: { above: 0 },
  evidence: "trained here",
  settings: {
    ...{ seeds: [4, 5, 6, 7], widths: [32, 48, 64], rates: [3e-3, 3e-2, 1e-1] },
    ...{ depth: 2, heads: 4, side: 32, patch: 8, batch: 32, steps: 1000 },
  },
  quick: { seeds: [1, 2], widths: [16], rates: [1e-2, 1e-1], steps: 30 },
  quickShows: "that the experiment runs: 30 steps of one width are too few to learn anything",
  quickDecides: false,
  async experiment(settings, context) {
    return evidenceOf(settings, await allRuns(settings, context));
  },
});

async function allRuns(settings: Settings, context: ClaimContext): Promise<Run[]> {
  const { seeds, widths, rates } = settings;
  const planned = seeds.flatMap((seed) =>
    widths.flatMap((width) =>
      rates.flatMap((rate) => ARMS.map((arm) => ({ seed, width, rate, arm }))),
    ),
  );
  const work = planned.reduce((sum, { width }) => sum + width, 0);
  const runs: Run[] = [];
  let done = 0;
  for (const one of planned) {
    const { width, rate, arm, seed } = one;
    context.onProgress(done / work, `${arm.name}, width ${width}, rate ${rate}, seed ${seed}`);
    runs.push({ ...one, ...(await tried(settings, one, context.signal)) });
    done += width;
  }
  return runs;
}

async function tried(
  settings: Settings,
  { seed, width, rate, arm: { qk_norm } }: Pick<Run, "seed" | "width" | "rate" | "arm">,
  signal: AbortSignal,
): Promise<Pick<Run, "loss" | "logit">> {
  const world = oneObject({ side: settings.side, seed });
  const question = "shape";
  const run: SmallRun = { ...settings, seed, width, rate, question, world, config: { qk_norm } };
  await using model = await smallModel(run);
  const losses = await trainSmall(model, run, signal);
  const { pixel_values, labels } = batchOf(clipsOf(world, 0, LOOKED_AT), question);
  labels?.dispose();
  using _ = pixel_values!;
  const logit = await largestLogit(model, pixel_values!);
  return { loss: Math.min(last(losses), losses[0]!), logit };
}

async function largestLogit(model: Module, pixel_values: Tensor): Promise<number> {
  using result = await model.call("classify", { pixel_values }, { args: { telemetry: true } });
  return Math.max(...Array.from(await result.max_attention_logit!.data(), Number));
}

function evidenceOf({ seeds, widths, rates }: Settings, runs: readonly Run[]): Evidence {
  const lossesOf = (seed: number, width: number, arm: Run["arm"]) =>
    runs.filter((run) => run.seed === seed && run.width === width && run.arm === arm);
  const sensitivity = (seed: number, width: number, arm: Run["arm"]) => {
    const losses = lossesOf(seed, width, arm).map(({ loss }) => loss);
    return mean(losses) - Math.min(...losses);
  };
  const [normed, plain] = ARMS;
  return {
    values: seeds.map((seed) =>
      mean(widths.map((w) => sensitivity(seed, w, plain) - sensitivity(seed, w, normed))),
    ),
    charts: widths.flatMap((width) => [
      chartOf(`Loss, width ${width}`, "loss", "linear", width, rates, runs, ({ loss }) => loss),
      chartOf(
        `Largest attention logit, width ${width}`,
        ...(["logit", "log", width, rates, runs, ({ logit }: Run) => logit] as const),
      ),
    ]),
    notes: widths.map((width) => {
      const told = ARMS.map((arm) => {
        const found = mean(seeds.map((seed) => sensitivity(seed, width, arm)));
        const logits = runs.filter((run) => run.width === width && run.arm === arm);
        const largest = Math.max(...logits.map(({ logit }) => logit));
        const seen = `largest attention logit ${largest.toPrecision(3)}`;
        return `${arm.name} ${found.toFixed(3)} (${seen})`;
      });
      return `Width ${width}: sensitivity ${told.join(", ")}.`;
    }),
  };
}

function chartOf(
  title: string,
  label: string,
  scale: "linear" | "log",
  width: number,
  rates: readonly number[],
  runs: readonly Run[],
  value: (run: Run) => number,
): Chart {
  const series = ARMS.map((arm) => {
    const points = rates.map((rate) => {
      const same = runs.filter((r) => r.width === width && r.arm === arm && r.rate === rate);
      const { mean: y, low, high } = interval(same.map(value));
      return Number.isFinite(low) ? { x: rate, y, low, high } : { x: rate, y };
    });
    return { name: arm.name, kind: "both" as const, points };
  });
  return { title, x: { label: "learning rate", scale: "log" }, y: { label, scale }, series };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
