/** Linear probes against scikit-learn. */
import test from "ava";
import { readTensors } from "../../lib/core/files.js";
import { linearProbe, memory, ops, tensor, zeros } from "../../lib/index.js";
import { fixture, numbers } from "../models/fixtures.js";

const FILE = fixture("linear_probe", "probe.safetensors");

test("both kinds are scikit-learn's", async (t) => {
  using told = await readTensors(FILE);
  const { features, labels, held_out, held_out_labels } = told;
  const l2 = Number((await numbers(told.l2!))[0]);
  for (const kind of ["logistic", "ridge"] as const) {
    using probe = await linearProbe(features!, labels!, { kind, l2, tolerance: 1e-9 });
    for (const part of ["weight", "bias"] as const) {
      const [ours, theirs] = [await numbers(probe[part]), await numbers(told[`${kind}.${part}`]!)];
      ours.forEach((value, i) => {
        t.true(Math.abs(value - theirs[i]!) < 1e-5, `${kind} ${part}: ${value} ${theirs[i]}`);
      });
    }
    const accuracy = (await numbers(told[`${kind}.accuracy`]!))[0]!;
    t.true(Math.abs(probe.accuracy(held_out!, held_out_labels!) - accuracy) < 1e-12);
    t.is(probe.iterations > 0, kind === "logistic");
  }
});

test.serial("a fit leaves its probe alone behind", async (t) => {
  using told = await readTensors(FILE);
  const { live } = memory();
  for (const kind of ["logistic", "ridge"] as const) {
    using probe = await linearProbe(told.features!, told.labels!, { kind });
    t.true(probe.accuracy(told.held_out!, told.held_out_labels!) > 0.5);
  }
  t.is(memory().live, live);
});

test("the loss is told, and fewer steps reach a higher one", async (t) => {
  using told = await readTensors(FILE);
  const { features, labels } = told;
  using short = await linearProbe(features!, labels!, { maxIterations: 2 });
  using long = await linearProbe(features!, labels!);
  t.is(short.iterations, 2);
  t.true(long.loss < short.loss && short.loss < Math.log(4));
});

test("what does not fit is refused", async (t) => {
  const features = zeros([3, 2]);
  const labels = tensor([0n, 1n, 2n]);
  await t.throwsAsync(linearProbe(features, zeros([2])), { code: "SHAPE" });
  await t.throwsAsync(linearProbe(zeros([3]), labels), { code: "SHAPE" });
  await t.throwsAsync(linearProbe(features, labels, { classes: 2 }), { code: "BAD_INPUT" });
  await t.throwsAsync(linearProbe(features, ops.neg(labels)), { code: "BAD_INPUT" });
  await t.throwsAsync(linearProbe(features, labels, { l2: -1 }), { code: "BAD_INPUT" });
  await t.throwsAsync(linearProbe(features, labels, { kind: "svm" as "ridge" }), {
    code: "BAD_INPUT",
  });
  const signal = AbortSignal.abort();
  await t.throwsAsync(linearProbe(features, labels, { signal }), { code: "CANCELLED" });
});
