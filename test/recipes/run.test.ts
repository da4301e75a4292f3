/** Runs of recipes: what they leave, going on with them, and what is refused. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { readTensors } from "../../lib/core/files.js";
import { trainable } from "../../lib/models/index.js";
import { ViT22B } from "../../lib/models/vit22b/index.js";
import { type Metrics, type Recipe, type RunOptions, runRecipe } from "../../lib/recipes/index.js";
import { isEvaluation, readMetrics } from "../../lib/recipes/metrics.js";
import { Tracked } from "../../lib/recipes/tracked.js";
import { latestCheckpoint, type PlainTrainerOptions } from "../../lib/train/index.js";
import { numbers, temporary } from "../models/fixtures.js";
import { Batches } from "../train/runs.js";
import { tiny } from "./tiny.js";

const run = (recipe: Recipe, options: RunOptions) => runRecipe(recipe, trainable.vit22b, options);
const metricsOf = (out: string) => readMetrics(join(out, "metrics.jsonl"));

/** What must be the same however often a run was interrupted: all but times. */
const exact = (metrics: readonly Metrics[]) =>
  metrics.map((one) => {
    if (isEvaluation(one)) return one;
    const { step, loss, parts, gradientNorm, learningRate } = one;
    return { step, loss, parts, gradientNorm, learningRate };
  });

test("a run leaves a model, its card, its recipe, metrics and curves", async (t) => {
  const out = join(temporary(t), "new", "run");
  const told: Metrics[] = [];
  const finished = await run(tiny(), { out, onMetrics: (metrics) => told.push(metrics) });
  t.deepEqual(readdirSync(out).sort(), [
    ...["curve.png", "curve.svg", "metrics.jsonl", "model", "recipe.json"],
    ...["step-000000006", "step-000000008"],
  ]);
  t.deepEqual(metricsOf(out), JSON.parse(JSON.stringify(told)));
  t.deepEqual(
    told.map((one) => (isEvaluation(one) ? `after ${one.step}` : one.step)),
    [0, 1, 2, 3, "after 3", 4, 5, 6, 7, "after 7"],
  );
  t.deepEqual(JSON.parse(readFileSync(join(out, "recipe.json"), "utf8")), tiny());
  const { model, steps, evaluation } = finished;
  t.like(evaluation, { samples: 10 });
  t.true(evaluation!.meanAveragePrecision! > 0 && evaluation!.meanAveragePrecision! <= 1);
  t.deepEqual([model, steps], [join(out, "model"), 8]);

  await using vit = await ViT22B.load(model);
  t.is(vit.params().total, finished.parameters);
  t.deepEqual([vit.labels?.length, vit.labels?.[0], vit.labels?.at(-1)], [19, "circle", "white"]);
  const card = readFileSync(join(model, "README.md"), "utf8");
  t.regex(card, /^---\nlibrary_name: torchsight\n/);
  for (const words of ["license: apache-2.0", "| seed | 5 |", "19: circle, square", "8 of 4"]) {
    t.true(card.includes(words), words);
  }
  t.true(card.includes(evaluation!.meanAveragePrecision!.toFixed(4)));
});

test("the model has the averages of the weights, the checkpoint the weights", async (t) => {
  const out = temporary(t);
  const { model } = await run(tiny({ evaluationSamples: 0 }), { out });
  const checkpoint = latestCheckpoint(out)!;
  using trained = await readTensors(join(model, "model.safetensors"));
  using last = await readTensors(join(checkpoint, "model.safetensors"));
  using state = await readTensors(join(checkpoint, "trainer.safetensors"));
  const head = await numbers(trained["head.weight"]!);
  t.deepEqual(head, await numbers(state["ema.head.weight"]!));
  t.notDeepEqual(head, await numbers(last["head.weight"]!));
  t.false(metricsOf(out).some(isEvaluation));
});

test("a run that goes on makes the same steps, however it ended before", async (t) => {
  const [whole, parts] = [temporary(t), temporary(t)];
  await run(tiny(), { out: whole });
  const expected = exact(metricsOf(whole));

  // It stops, as asked.
  await run(tiny(), { out: parts, steps: 2 });
  // It is interrupted between two checkpoints.
  const controller = new AbortController();
  const interrupted = run(tiny(), {
    ...{ out: parts, resume: true, signal: controller.signal },
    onMetrics: ({ step }) => step === 4 && controller.abort(),
  });
  await t.throwsAsync(interrupted, { code: "CANCELLED", message: /after 5 steps; a checkpoint/ });
  t.regex(latestCheckpoint(parts)!, /step-000000005$/);
  t.true(readdirSync(parts).includes("curve.png"));
  // It dies in the middle of a line, after a step that no checkpoint has.
  appendFileSync(join(parts, "metrics.jsonl"), '{"step":5,"loss":7}\n{"step":6,"lo');
  const { steps } = await run(tiny(), { out: parts, resume: true });
  t.is(steps, 8);
  // The end at 2 steps was evaluated as well.
  t.deepEqual(
    exact(metricsOf(parts)).filter(({ step, ...rest }) => !("evaluation" in rest && step === 1)),
    expected,
  );

  using one = await readTensors(join(whole, "model", "model.safetensors"));
  using other = await readTensors(join(parts, "model", "model.safetensors"));
  for (const name of Object.keys(one)) {
    t.deepEqual(await numbers(other[name]!), await numbers(one[name]!), name);
  }
  const again = await run(tiny(), { out: parts, resume: true });
  t.deepEqual(again.steps, 8);
});

test("an interrupted step's batch comes again", async (t) => {
  const tracked = new Tracked(new Batches(3));
  const batches = tracked[Symbol.asyncIterator]();
  await batches.next();
  t.is(tracked.cursor(), 0);
  tracked.settle();
  t.is(tracked.cursor(), 1);
  await batches.next();
  t.is(tracked.cursor(), 1);
  tracked.seek(2);
  t.is(tracked.cursor(), 2);
});

/** Pictures in one colour each, in a folder for each of the colours. */
async function colours(folder: string, count: number): Promise<string> {
  for (const [name, background] of Object.entries({ blue: "#2040e0", red: "#e02020" })) {
    mkdirSync(join(folder, name), { recursive: true });
    const create = { width: 20, height: 16, channels: 3 as const, background };
    const png = await sharp({ create }).png().toBuffer();
    for (let i = 0; i < count; i += 1) {
      await sharp(png).toFile(join(folder, name, `${name}-${i}.png`));
    }
  }
  return folder;
}

test("pictures in folders, one label each: going on from a model of other labels", async (t) => {
  const folder = temporary(t);
  const data = { source: await colours(join(folder, "colours"), 12), heldShare: 0.4 };
  const { model: init } = await run(tiny(), { steps: 3, out: join(folder, "first") });
  const trainer: PlainTrainerOptions = {
    schedule: { kind: "constant", peak: 0.05 },
    groups: [{ pattern: "head.*" }, { pattern: "*", frozen: true }],
    loss: "softmax",
  };
  const probe = tiny({ model: undefined, init, trainer, data, steps: 25 });
  const out = join(folder, "second");
  const { model, evaluation } = await run(probe, { out });
  t.deepEqual(
    readdirSync(out).filter((name) => name.startsWith(".")),
    [],
  );
  t.deepEqual([evaluation!.accuracy, evaluation!.meanAveragePrecision], [1, undefined]);
  using before = await readTensors(join(init, "model.safetensors"));
  using after = await readTensors(join(model, "model.safetensors"));
  t.deepEqual(after["head.weight"]!.shape, [2, 16]);
  t.deepEqual(await numbers(after.pos_embed!), await numbers(before.pos_embed!));
  await using vit = await ViT22B.load(model);
  t.deepEqual(vit.labels, ["blue", "red"]);

  const { loss: _, ...sigmoid } = trainer;
  const each = await run({ ...probe, trainer: sigmoid }, { out: join(folder, "third") });
  t.like(each.evaluation, { accuracy: 1, meanAveragePrecision: 1 });
});

for (const [name, change, options, expected] of [
  ["no data", { data: {} }, {}, { code: "BAD_CONFIG", message: /where the data is for data\.so/ }],
  ["data that is not there", { data: { source: "folder:/no" } }, {}, { code: "NOT_FOUND" }],
  [
    "a head for other labels",
    { model: { ...tiny().model, num_labels: 4 } },
    {},
    { code: "BAD_CONFIG", message: /19, the labels of the data, for model\.num_labels/ },
  ],
  [
    "one label where there are several",
    { trainer: { loss: "softmax" } },
    {},
    { code: "BAD_CONFIG", message: /sigmoid for data of several labels/ },
  ],
  ["a bad config", { model: { hidden_size: 16 } }, {}, { code: "BAD_CONFIG", message: /layers/ }],
  [
    "an option of Shapes World",
    { data: { source: "shapesworld", shapesworld: { objcts: 3 } } },
    {},
    { code: "BAD_INPUT", message: /objcts/ },
  ],
  [
    "steps beyond the schedule",
    {},
    { steps: 9 },
    { code: "BAD_INPUT", message: /from 1 to 8, where the schedule ends, for steps/ },
  ],
  ["nothing to go on from", {}, { resume: true }, { code: "NOT_FOUND", message: /no checkpoint/ }],
] as const) {
  test(`refused: ${name}`, async (t) => {
    const out = join(temporary(t), "run");
    await t.throwsAsync(run(tiny(change), { out, ...options }), expected);
  });
}

test("a run is neither lost nor mixed up with another", async (t) => {
  const out = temporary(t);
  await run(tiny({ evaluationSamples: 0 }), { out, steps: 2 });
  await t.throwsAsync(run(tiny(), { out }), { code: "BAD_INPUT", message: /without a run/ });
  await t.throwsAsync(run(tiny({ batch: 5 }), { out, resume: true }), {
    code: "BAD_CONFIG",
    message: /expected 4, as the run in .* was begun, for batch but received 5/,
  });
  appendFileSync(join(out, "metrics.jsonl"), "step 3\n");
  await t.throwsAsync(run(tiny(), { out, resume: true }), {
    code: "BAD_CHECKPOINT",
    message: /metrics\.jsonl: expected JSON in each line/,
  });
  const clipped = tiny({ trainer: { ...tiny().trainer, clip: 2 } });
  await t.throwsAsync(run(clipped, { out, resume: true }), {
    code: "BAD_CONFIG",
    message: /expected 1, as .*, for trainer\.clip but received 2/,
  });
});
