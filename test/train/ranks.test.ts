/** Training over ranks: replicas, sharded models, meshes of both, and ranks that are lost. */
import test from "ava";
import { createModule, type LoadOptions, load } from "../../lib/core/load.js";
import type { Module } from "../../lib/core/module.js";
import { memory } from "../../lib/index.js";
import {
  type FitOptions,
  latestCheckpoint,
  type Step,
  Trainer,
  type TrainerOptions,
} from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { Batches, batch, CONFIG, OPTIONS } from "./runs.js";

const STEPS = 6;
const create = (options: LoadOptions) => createModule(CONFIG, { seed: 3, ...options });

/** The steps of a run that makes `STEPS` of them. */
async function run(
  model: Module,
  options: TrainerOptions,
  fit: FitOptions = {},
  from?: string,
): Promise<Step[]> {
  using trainer = new Trainer(model, options);
  const loader = new Batches(STEPS, (index) => batch(index, 5));
  if (from) await trainer.resume(from, loader);
  const steps: Step[] = [];
  for await (const step of trainer.fit(loader, { steps: STEPS, ...fit })) steps.push(step);
  return steps;
}

const losses = (steps: readonly Step[]) => steps.map(({ loss }) => loss);
const norms = (steps: readonly Step[]) => steps.map(({ gradientNorm }) => gradientNorm);

const MESHES: [string, LoadOptions, TrainerOptions][] = [
  ["two replicas", { dataParallel: 2 }, {}],
  ["two replicas with a divided optimizer", { dataParallel: 2 }, { shardOptimizer: true }],
  ["a model on two ranks", { tensorParallel: 2 }, {}],
  ["threads", { tensorParallel: 2, group: "local", layout: "features" }, {}],
  ["a mesh of threads", { tensorParallel: 2, dataParallel: 2, group: "local" }, {}],
  ["a mesh", { tensorParallel: 2, dataParallel: 2 }, { shardOptimizer: true, bucketBytes: 1000 }],
];

for (const [name, mesh, changes] of MESHES) {
  test.serial(
    `${name}: the steps of one process, and the same bits again after a checkpoint`,
    async (t) => {
      const options = { ...OPTIONS, ...changes };
      await using alone = await create({});
      const expected = await run(alone, OPTIONS);
      const out = temporary(t);
      await using model = await create(mesh);
      const steps = await run(model, options, { out, saveEvery: 3 });
      t.is(steps.length, STEPS);
      for (const [i, { loss, gradientNorm }] of steps.entries()) {
        t.true(Math.abs(loss - expected[i]!.loss) < 1e-4 * expected[i]!.loss, `${i}: ${loss}`);
        t.true(Math.abs(gradientNorm - expected[i]!.gradientNorm) < 1e-3 * gradientNorm);
      }
      const middle = `${out}/step-000000003`;
      await using again = await load(middle, mesh);
      const rest = await run(again, options, {}, middle);
      t.deepEqual(losses(rest), losses(steps.slice(3)));
      t.deepEqual(norms(rest), norms(steps.slice(3)));

      // One process goes on from it as well.
      await using single = await load(middle);
      for (const [i, { loss }] of (await run(single, options, {}, middle)).entries()) {
        t.true(Math.abs(loss - steps[3 + i]!.loss) < 1e-4 * loss, `${i}: ${loss}`);
      }
    },
  );
}

for (const [name, mesh] of [
  ["a replica", { dataParallel: 2 }],
  ["a part of the model", { tensorParallel: 2 }],
] as const) {
  test.serial(
    `${name} that is killed ends the run, which goes on from its checkpoint`,
    async (t) => {
      const out = temporary(t);
      await using through = await create(mesh);
      const expected = await run(through, OPTIONS);

      await using model = await create(mesh);
      using trainer = new Trainer(model, OPTIONS);
      const loader = new Batches(STEPS, (index) => batch(index, 5));
      const seen: number[] = [];
      await t.throwsAsync(
        async () => {
          for await (const { step } of trainer.fit(loader, { steps: STEPS, out, saveEvery: 2 })) {
            seen.push(step);
            if (step === 4) process.kill(model.pids[1]!, "SIGKILL");
          }
        },
        { code: "RANK_FAILED" },
      );
      t.deepEqual(seen, [0, 1, 2, 3, 4]);
      await t.throwsAsync(() => trainer.step(batch(0, 5)), { code: "RANK_FAILED" });

      const folder = latestCheckpoint(out)!;
      t.regex(folder, /step-000000004$/);
      await using again = await load(folder, mesh);
      t.deepEqual(losses(await run(again, OPTIONS, {}, folder)), losses(expected.slice(4)));
    },
  );
}

test.serial("a cancelled step leaves all ranks together", async (t) => {
  for (const mesh of [{ dataParallel: 2 }, { tensorParallel: 2 }]) {
    await using model = await create(mesh);
    using trainer = new Trainer(model, OPTIONS);
    const { live } = memory();
    for (let i = 0; i < 5; ++i) {
      const control = new AbortController();
      const step = trainer.step(batch(i, 5), { signal: control.signal });
      setImmediate(() => control.abort());
      await step.catch(({ name, code }) => t.true(name === "AbortError" || code === "CANCELLED"));
    }
    t.true((await trainer.step(batch(9, 5))).loss > 0);
    t.is(memory().live, live);
  }
});

test.serial("what does not fit is refused, and the run goes on", async (t) => {
  await using model = await create({ dataParallel: 2 });
  t.throws(() => new Trainer(model, { bucketBytes: 0 }), { code: "BAD_CONFIG" });
  t.throws(() => model.openSession("cache"), { code: "NOT_FOUND" });
  using trainer = new Trainer(model, OPTIONS);
  await t.throwsAsync(() => trainer.step(batch(0, 1)), {
    code: "SHAPE",
    message: /a batch of at least 2 \(dataParallel\) but received 1/,
  });
  const { labels, ...rest } = batch(0, 5);
  labels!.dispose();
  await t.throwsAsync(() => trainer.step(rest), { code: "BAD_INPUT" });
  t.true((await trainer.step(batch(0, 5))).loss > 0);
});
