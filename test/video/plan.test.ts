/** What a cascade comes to on paper: costs, times to go, sizes; the published one. */
import test from "ava";
import { native } from "../../lib/core/runtime.js";
import {
  flopsOf,
  parseCascade,
  parseConfig,
  publishedCascade,
} from "../../lib/models/imagen_video/index.js";
import { planStages, VideoCascade } from "../../lib/video/index.js";
import { CascadeClock } from "../../lib/video/progress.js";
import { describedBy } from "../models/names.js";
import { CASCADE, NETWORKS } from "./cascades.js";

/** Parameters and TFLOP of an evaluation that are to come out for the published stages. */
const PUBLISHED: Record<string, [parameters: number, tflop: number]> = {
  base: [5.79e9, 15.2],
  tsr1: [1.68e9, 8.2],
  ssr1: [1.48e9, 26.2],
  ssr2: [1.12e9, 37.5],
  tsr2: [0.77e9, 51.8],
  tsr3: [0.62e9, 73.7],
  ssr3: [0.31e9, 827],
};

test("the published cascade, counted", (t) => {
  const { cascade, networks } = publishedCascade();
  t.deepEqual(
    Object.keys(PUBLISHED),
    cascade.stages.map(({ name }) => name),
  );
  t.deepEqual(cascade.stages.at(-1)!.fps, 24);
  for (const stage of cascade.stages) {
    const [parameters, tflop] = PUBLISHED[stage.name]!;
    const network = networks[stage.name]!;
    const { elements } = describedBy(network);
    t.true(Math.abs(elements / parameters - 1) < 0.02, `${stage.name}: ${elements}`);
    const own = flopsOf(network, stage) / 1e12;
    t.true(Math.abs(own / tflop - 1) < 0.005, `${stage.name}: ${own}`);
  }
  const planned = planStages({ cascade, networks }, {});
  const total = planned.reduce((sum, { flops }) => sum + flops, 0);
  // 270 PFLOP with guidance, of which the last stage has 78 %.
  t.true(Math.abs(total / 270e15 - 1) < 0.01, `${total}`);
  t.true(Math.abs(planned.at(-1)!.flops / total - 0.78) < 0.01);
});

test("the published cascade, dry: each network at its full size", (t) => {
  const { cascade, networks } = publishedCascade();
  for (const { name, frames, height, width } of cascade.stages) {
    const config = networks[name]!;
    const input = (one: string, ...shape: number[]) => ({
      ...{ name: one, dtype: "float32", shape },
      // Levels are read on the CPU.
      host: one.endsWith("logsnr"),
    });
    const video = [1, 3, frames, height, width];
    const inputs = [
      input("z", ...video),
      input("logsnr", 1),
      input("text", 1, 256, 4096),
      input("text_mask", 1, 256),
      ...(name === "base" ? [] : [input("low_res", ...video), input("low_res_logsnr", 1)]),
    ];
    const request = { config, dtype: "bfloat16", method: "predict", inputs };
    const counted = JSON.parse(native().dryRun(JSON.stringify(request)));
    t.is(counted.parameterBytes, 2 * counted.parameters, name);
  }
});

test("a random cascade of the published layout is made without any memory", async (t) => {
  await using cascade = await VideoCascade.random();
  t.is(cascade.config.stages.length, 7);
  await t.throwsAsync(async () => await cascade.encodeText("a cat"), { code: "UNSUPPORTED" });
});

const tiny = {
  cascade: parseCascade(CASCADE),
  networks: Object.fromEntries(
    Object.entries(NETWORKS).map(([name, config]) => [name, parseConfig(config)]),
  ),
};

test("options decide on sizes, steps and costs", (t) => {
  const sizes = (asked: Parameters<typeof planStages>[1]) =>
    planStages(tiny, asked).map(({ stage, size, evaluations }) => {
      return [stage.name, size.frames, size.height, evaluations];
    });
  t.deepEqual(sizes({}), [
    ["base", 2, 4, 4],
    ["tsr1", 4, 4, 3],
    ["ssr1", 4, 8, 3],
    ["ssr2", 4, 16, 3],
  ]);
  t.deepEqual(sizes({ frames: 10, stages: 2, steps: { tsr1: 9 } }), [
    ["base", 5, 4, 4],
    ["tsr1", 10, 4, 9],
  ]);
  t.deepEqual(sizes({ frames: 1, stages: 2, steps: 5 }), [["base", 1, 4, 5]]);
  const from = { stage: "ssr2", size: { frames: 7, height: 10, width: 6 } };
  t.deepEqual(sizes({ from, repeats: 2 }), [["ssr2", 7, 20, 5]]);
  const settings = { base: { sampler: { corrections: 1 } } };
  t.deepEqual(sizes({ stages: 1, settings, skip: 1 }), [["base", 2, 4, 5]]);
  const cost = (guidance: number) => planStages(tiny, { stages: 1, guidance })[0]!.flops;
  t.is(cost(2), 2 * cost(0));
  t.is(planStages(tiny, { guidance: 3 })[2]!.stage.guidance, 0);
});

test("time to go: steps of a stage by its own, later stages by their operations", (t) => {
  let now = 100;
  const costs = [
    { name: "base", steps: 4, flops: 40 },
    { name: "ssr", steps: 2, flops: 60 },
  ];
  const clock = new CascadeClock(costs, () => now);
  t.like(clock.begin(0), { done: 0, total: 1, phase: "base", stage: "base", step: 0, steps: 4 });
  t.false("eta" in clock.begin(0));
  now += 2;
  // 1 s a step, 10 operations a step: 3 s, and 60 operations at a tenth of a second each.
  t.like(clock.tell(2), { done: 0.2, step: 2, eta: 2 + 6 });
  now += 2;
  clock.tell(4);
  clock.end();
  now += 50; // Loading is not counted.
  t.like(clock.begin(1), { done: 0.4, place: 1, stages: 2, eta: 6 });
  now += 1;
  t.like(clock.tell(1), { done: 0.7, stage: "ssr", eta: 1 });
});
