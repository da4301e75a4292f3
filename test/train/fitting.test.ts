/** The smallest model that there is to train: a number that is multiplied by. */
import test from "ava";
import { createModule } from "../../lib/core/load.js";
import { tensor } from "../../lib/index.js";
import { Trainer } from "../../lib/train/index.js";

const LINE = { model_type: "torchsight_diagnostics", size: 1 } as const;
const batch = () => ({
  x: tensor(Float32Array.of(2)),
  target: tensor(Float32Array.of(6)),
});

test("a model of one parameter is fitted to its data", async (t) => {
  await using line = await createModule(LINE, { seed: 1 });
  const optimizer = { kind: "sgd", momentum: 0 } as const;
  using trainer = new Trainer(line, { optimizer, schedule: { peak: 0.1 } });
  for (let step = 0; step < 60; step += 1) await trainer.step(batch());
  const { x } = batch();
  using y = (await line.call("scale", { x })).y!;
  t.true(Math.abs((y.item() as number) - 6) < 1e-4);
});

test("a target of another length is refused", async (t) => {
  await using line = await createModule(LINE);
  using trainer = new Trainer(line);
  const longer = { ...batch(), target: tensor(Float32Array.of(6, 6)) };
  await t.throwsAsync(trainer.step(longer), { code: "SHAPE" });
});
