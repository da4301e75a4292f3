/** Evaluations during a run, the best checkpoint, and losses that leave the others behind. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { load } from "../../lib/core/load.js";
import {
  bestCheckpoint,
  type FitOptions,
  latestCheckpoint,
  type Step,
  Trainer,
} from "../../lib/index.js";
import { temporary } from "../models/fixtures.js";
import { Batches, batch, model, OPTIONS } from "./runs.js";

async function collected(steps: AsyncIterable<Step>): Promise<Step[]> {
  const all: Step[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

test("evaluations come with their steps, and the best checkpoint is kept apart", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  const scores: Record<number, number> = { 2: 0.2, 4: 0.9, 6: 0.5, 7: 0.9 };
  const asked: number[] = [];
  const options: FitOptions = {
    steps: 7,
    out,
    saveEvery: 1,
    keep: 2,
    evaluateEvery: 2,
    evaluate: async ({ step, trainer: own }) => {
      asked.push(step);
      t.is(own, trainer);
      return { accuracy: scores[step]! };
    },
    best: { metric: "accuracy" },
  };
  const steps = await collected(trainer.fit(new Batches(7), options));
  t.deepEqual(asked, [2, 4, 6, 7]);
  t.deepEqual(
    steps.map(({ evaluation }) => evaluation?.accuracy),
    [undefined, 0.2, undefined, 0.9, undefined, 0.5, 0.9],
  );
  t.deepEqual(readdirSync(out).sort(), ["best-000000004", "step-000000006", "step-000000007"]);
  t.is(latestCheckpoint(out), join(out, "step-000000007"));

  const best = bestCheckpoint(out)!;
  await using again = await load(best);
  using resumed = new Trainer(again, OPTIONS);
  t.like(await resumed.resume(best), { step: 4, best: { metric: "accuracy", value: 0.9 } });

  // What was best before counts for a run that goes on.
  scores[8] = 0.7;
  scores[9] = 0.95;
  const more = { ...options, steps: 9, evaluateEvery: 1 };
  await collected(trainer.fit(new Batches(2), more));
  t.deepEqual(readdirSync(out).sort(), ["best-000000009", "step-000000008", "step-000000009"]);
});

test("the smallest can be the best, and no number is none", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  const scores = [3, 2, Number.NaN, 2.5];
  await collected(
    trainer.fit(new Batches(4), {
      out,
      steps: 4,
      evaluateEvery: 1,
      evaluate: async ({ step }) => ({ loss: scores[step - 1]! }),
      best: { metric: "loss", mode: "min" },
    }),
  );
  t.is(bestCheckpoint(out), join(out, "best-000000002"));
});

test("a metric that is not there, or a best without a place, is refused", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  const evaluate = async () => ({ loss: 1 });
  const run = (options: object) => collected(trainer.fit(new Batches(3), { steps: 3, ...options }));
  const bad = { code: "BAD_INPUT" };
  await t.throwsAsync(run({ out, evaluate, best: { metric: "map" } }), { ...bad, message: /map/ });
  await t.throwsAsync(run({ out, best: { metric: "loss" } }), { ...bad, message: /evaluate/ });
  await t.throwsAsync(run({ evaluate, best: { metric: "loss" } }), { ...bad, message: /out/ });
  await t.throwsAsync(run({ evaluateEvery: 0 }), { ...bad, message: /evaluateEvery/ });
  await t.throwsAsync(run({ diverged: { factor: 0.5 } }), { ...bad, message: /diverged\.factor/ });
  t.false(existsSync(join(out, "best-000000003")));
});

test("a loss far above the median of those before has diverged", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, { schedule: { peak: 1e-4 } });
  const loader = new Batches(12, (i) => {
    if (i !== 8) return batch(1);
    const { pixel_values, labels } = batch(1);
    const far = labels!.mul(1000);
    labels!.dispose();
    return { pixel_values: pixel_values!, labels: far };
  });
  const run = () =>
    collected(
      trainer.fit(loader, { out, saveEvery: 4, steps: 12, diverged: { factor: 3, window: 5 } }),
    );
  await t.throwsAsync(run, {
    code: "DIVERGED",
    message: /3 times the median of the last 5.*step 8/,
  });
  t.is(latestCheckpoint(out), join(out, "step-000000008"));
});
