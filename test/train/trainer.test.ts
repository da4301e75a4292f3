/** Runs of training: steps, checkpoints, going on from them, and what can go wrong. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createModule, load } from "../../lib/core/load.js";
import { memory, tensor, zeros } from "../../lib/index.js";
import { type Batch, latestCheckpoint, type Step, Trainer } from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { Batches, batch, CONFIG, model, OPTIONS } from "./runs.js";

async function collected(steps: AsyncIterable<Step>): Promise<Step[]> {
  const all: Step[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

const losses = (steps: readonly Step[]) => steps.map(({ loss }) => loss);

test("a run: every step is told, and the loss falls", async (t) => {
  await using net = await model();
  using trainer = new Trainer(net, { schedule: { peak: 5e-3 } });
  const steps = await collected(trainer.fit(new Batches(40, () => batch(1)), { steps: 40 }));
  t.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: 40 }, (_, i) => i),
  );
  t.true(steps.at(-1)!.loss < 0.5 * steps[0]!.loss, `${losses(steps)}`);
  for (const step of steps) {
    t.true(step.gradientNorm > 0 && step.learningRate === 5e-3);
    t.true(step.samplesPerSecond > 0 && step.eta! >= 0);
  }
  t.is(steps.at(-1)!.eta, 0);
  t.is(trainer.steps, 40);
});

test.serial("a run leaves no tensors behind", async (t) => {
  await using net = await model();
  using trainer = new Trainer(net);
  await collected(trainer.fit(new Batches(2)));
  const { live } = memory();
  await collected(trainer.fit(new Batches(5)));
  t.is(memory().live, live);
});

test("a run that goes on from a checkpoint makes the same steps, bit for bit", async (t) => {
  const out = temporary(t);
  await using whole = await model();
  using through = new Trainer(whole, OPTIONS);
  const expected = await collected(through.fit(new Batches(12), { steps: 12 }));

  await using first = await model();
  using begun = new Trainer(first, OPTIONS);
  const before = begun.fit(new Batches(12), { steps: 12, out, saveEvery: 5 });
  for await (const { step } of before) if (step === 6) break;

  const folder = latestCheckpoint(out)!;
  t.regex(folder, /step-000000005$/);
  await using again = await load(folder);
  using trainer = new Trainer(again, OPTIONS);
  const loader = new Batches(12);
  t.like(await trainer.resume(out, loader), { folder, step: 5, cursor: 5 });
  const rest = await collected(trainer.fit(loader, { steps: 12, out, saveEvery: 5 }));
  t.deepEqual(losses(rest), losses(expected.slice(5)));
  t.deepEqual(
    rest.map(({ gradientNorm, learningRate, step }) => [gradientNorm, learningRate, step]),
    expected
      .slice(5)
      .map(({ gradientNorm, learningRate, step }) => [gradientNorm, learningRate, step]),
  );
  t.deepEqual(readdirSync(out), ["step-000000010", "step-000000012"]);
});

test("averages take the weights' place for a while", async (t) => {
  await using net = await model();
  using trainer = new Trainer(net, { schedule: { peak: 0.02 }, ema: 0.9 });
  await collected(trainer.fit(new Batches(6)));
  const plain = await trainer.evaluate(batch(0));
  const averaged = await trainer.withAverages(() => trainer.evaluate(batch(0)));
  t.not(averaged.loss, plain.loss);
  t.is((await trainer.evaluate(batch(0))).loss, plain.loss);
  const failure = new Error("of the work");
  await t.throwsAsync(
    trainer.withAverages(() => Promise.reject(failure)),
    { is: failure },
  );
  t.is((await trainer.evaluate(batch(0))).loss, plain.loss);
});

test("batches that do not fit, and numbers that are none, change nothing", async (t) => {
  await using net = await model();
  using trainer = new Trainer(net);
  await trainer.step(batch(0));
  const before = await trainer.evaluate(batch(9));
  const wrong = (at: number, bad: () => Batch) =>
    new Batches(6, (i) => (i === at ? bad() : batch(i)));
  const fails = async (bad: () => Batch, expected: object) => {
    await t.throwsAsync(() => collected(trainer.fit(wrong(0, bad))), expected);
    t.is((await trainer.evaluate(batch(9))).loss, before.loss);
  };
  const { pixel_values, labels } = batch(0);
  await fails(() => ({ pixel_values: zeros([2, 3, 8, 8]), labels: zeros([2, 5]) }), {
    code: "SHAPE",
    message: /labels that fit logits of shape \[2, 3\]/,
  });
  await fails(() => ({ pixel_values: pixel_values! }), { code: "BAD_INPUT", message: /labels/ });
  labels!.dispose();
  const noise = new Float32Array(4 * 3 * 64).fill(Number.NaN);
  const none = () => ({ ...batch(0), pixel_values: tensor(noise, { shape: [4, 3, 8, 8] }) });
  await fails(none, { code: "DIVERGED", message: /the gradient of patch_embed\.weight/ });
});

test("data that ends early is an error, and the steps so far are saved", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  await t.throwsAsync(() => collected(trainer.fit(new Batches(3), { steps: 12, out })), {
    code: "BAD_INPUT",
    message: "expected data for 12 steps but it ended after 3",
  });
  t.regex(latestCheckpoint(out)!, /step-000000003$/);
});

test("a signal ends the run between steps", async (t) => {
  await using net = await model();
  using trainer = new Trainer(net);
  const controller = new AbortController();
  const run = async () => {
    for await (const { step } of trainer.fit(new Batches(9), { signal: controller.signal })) {
      if (step === 2) controller.abort();
    }
  };
  await t.throwsAsync(run, { code: "CANCELLED" });
  t.is(trainer.steps, 3);
});

test("checkpoints that are damaged, or of another run, are refused", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  await t.throwsAsync(trainer.resume(out), { code: "NOT_FOUND" });
  await trainer.step(batch(0));
  const folder = await trainer.save(out);
  using other = new Trainer(net, { ...OPTIONS, clip: 2 });
  await t.throwsAsync(other.resume(out), {
    code: "BAD_CHECKPOINT",
    message: /clip is 2 and was 1/,
  });

  await using wider = await createModule({ ...CONFIG, hidden_size: 32 });
  using changed = new Trainer(wider, OPTIONS);
  await t.throwsAsync(changed.resume(out), { code: "BAD_CHECKPOINT", message: /this model/ });

  const state = join(folder, "trainer.safetensors");
  const bytes = readFileSync(state);
  truncateSync(state, 100);
  await t.throwsAsync(trainer.resume(out), { code: "BAD_CHECKPOINT" });
  writeFileSync(state, bytes);
  await trainer.resume(out);
  writeFileSync(join(folder, "run.json"), "{");
  await t.throwsAsync(trainer.resume(out), { code: "BAD_CHECKPOINT", message: /run\.json/ });
});

test("a checkpoint that cannot be written leaves the last one whole", async (t) => {
  const out = temporary(t);
  await using net = await model();
  using trainer = new Trainer(net, OPTIONS);
  await trainer.step(batch(0));
  const good = await trainer.save(out);
  await trainer.step(batch(1));
  // JSON has no such numbers.
  const loader = { cursor: () => 1n, async *[Symbol.asyncIterator]() {} };
  await t.throwsAsync(trainer.save(out, { loader }), { code: "INTERNAL", message: /could not be/ });
  t.is(latestCheckpoint(out), good);
  t.false(existsSync(join(out, ".step-000000002.new")));
  await trainer.resume(out);
});

test("options and models that mean nothing are refused", async (t) => {
  await using net = await model();
  for (const [options, message] of [
    [{ clip: -1 }, /clip/],
    [{ accumulate: 0 }, /accumulate/],
    [{ loss: "hinge" }, /loss/],
    [{ groups: [{ pattern: "no.such" }] }, /no\.such/],
    [{ optimizer: { kind: "lion" } }, /optimizer\.kind/],
  ] as const) {
    t.throws(() => new Trainer(net, options as object), { code: "BAD_CONFIG", message });
  }
});
