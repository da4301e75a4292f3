/** Losses of one's own, and what steps tell of attention. */
import test from "ava";
import { load } from "../../lib/core/load.js";
import { type Loss, memory, ops, type Tensor, Trainer, tensor } from "../../lib/index.js";
import type { Batch, TrainerOptions } from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { batch, CONFIG, model } from "./runs.js";

/** Batch `index` with one label for each picture. */
function indexed(index: number, size = 4): Batch {
  const { pixel_values, labels } = batch(index, size);
  labels!.dispose();
  const indices = new BigInt64Array(size).map((_, i) => BigInt((i + index) % 3));
  return { pixel_values: pixel_values!, labels: tensor(indices) };
}

const softmax: Loss = ({ logits }, { labels }) => ops.cross_entropy_loss(logits!, labels!);

test("a softmax in TypeScript moves the weights as the native one does", async (t) => {
  for (const options of [
    {},
    { accumulate: 2, ema: 0.9, clip: 0.5 },
    { recompute: true, optimizer: { kind: "sgd" } },
    { clipPerExample: 0.3 },
    { autocast: "bfloat16" },
    { adapters: { patterns: ["blocks.*"] } },
  ] satisfies TrainerOptions[]) {
    await using net = await model();
    await using other = await model();
    using native = new Trainer(net, { ...options, loss: "softmax" });
    using own = new Trainer(other, { ...options, loss: softmax });
    // The product of autocast gives bfloat16 logits; the native loss takes them as float32.
    const close = "autocast" in options ? 2e-2 : 1e-6;
    for (let i = 0; i < 3; i++) {
      const [expected, got] = [await native.step(indexed(i)), await own.step(indexed(i))];
      t.true(Math.abs(got.loss - expected.loss) < close, JSON.stringify(options));
      t.true(Math.abs(got.gradientNorm - expected.gradientNorm) < 10 * close);
    }
    const [a, b] = [await native.evaluate(indexed(9)), await own.evaluate(indexed(9))];
    t.true(Math.abs(a.loss! - b.loss!) < close);
    t.is(own.steps, 3);
  }
});

test.serial("it may be asynchronous, of any method, and leaves no tensors behind", async (t) => {
  const out = temporary(t);
  await using net = await model();
  const loss: Loss = async ({ pooler_output }, { target }) => {
    const error = pooler_output!.sub(target!);
    return await ops.job.mean(error.mul(error));
  };
  using trainer = new Trainer(net, { method: "encode", loss, schedule: { peak: 0.01 } });
  const first = (): Batch => {
    const { pixel_values, labels } = batch(0);
    labels!.dispose();
    return { pixel_values: pixel_values!, target: ops.zeros([4, CONFIG.hidden_size]) };
  };
  const { loss: before } = await trainer.step(first());
  const { live } = memory();
  let last = before;
  for (let i = 0; i < 20; i++) last = (await trainer.step(first())).loss;
  t.is(memory().live, live);
  t.true(last < 0.5 * before, `${before} ${last}`);

  const folder = await trainer.save(out);
  await using again = await load(folder);
  using resumed = new Trainer(again, { method: "encode", loss, schedule: { peak: 0.01 } });
  await resumed.resume(out);
  t.deepEqual(await resumed.step(first()), await trainer.step(first()));
  using native = new Trainer(again, { schedule: { peak: 0.01 } });
  await t.throwsAsync(native.resume(out), { code: "BAD_CHECKPOINT" });
});

test("losses that cannot be differentiated are refused, and change nothing", async (t) => {
  await using net = await model();
  const failure = new Error("of the loss");
  const cases: [Loss, object][] = [
    [({ logits }) => logits!, { code: "SHAPE", message: /scalar/ }],
    [({ logits }) => logits!.detach().sum(), { code: "BAD_INPUT", message: /derivatives/ }],
    [() => 3 as unknown as Tensor, { code: "SHAPE", message: /number/ }],
    [() => Promise.reject(failure), { is: failure }],
    [({ logits }) => logits!.sum().div(0), { code: "DIVERGED" }],
  ];
  for (const [loss, expected] of cases) {
    using trainer = new Trainer(net, { loss });
    using reference = new Trainer(net, { loss: "softmax" });
    const before = await reference.evaluate(indexed(1));
    await t.throwsAsync(trainer.step(indexed(0)), expected);
    t.deepEqual(await reference.evaluate(indexed(1)), before);
  }
  using trainer = new Trainer(net, { loss: softmax, accumulate: 5 });
  await t.throwsAsync(trainer.step(indexed(0)), { code: "SHAPE", message: /accumulate/ });
  t.throws(() => new Trainer(net, { loss: softmax, method: "no_such" }), { code: "NOT_FOUND" });
});

test("models of other processes take no losses of one's own", async (t) => {
  const out = temporary(t);
  await using net = await model();
  await net.save(out);
  await using away = await load(out, { isolate: true });
  t.throws(() => new Trainer(away, { loss: softmax }), { code: "UNSUPPORTED" });
});

test("a step tells of attention", async (t) => {
  await using net = await model();
  const { pixel_values, labels } = batch(0);
  using told = await net.call(
    "classify",
    { pixel_values: pixel_values! },
    { args: { telemetry: true } },
  );
  const entropy = (await told.attention_entropy!.toArray()) as number[];
  using trainer = new Trainer(net, { telemetry: true, accumulate: 2 });
  const step = await trainer.step({ pixel_values: pixel_values!, labels: labels! });
  t.is(step.attention!.maxLogit.length, CONFIG.num_hidden_layers);
  step.attention!.entropy.forEach((value, i) => {
    t.true(Math.abs(value - entropy[i]!) < 1e-4);
  });
  t.deepEqual(step.parts, {});
});
