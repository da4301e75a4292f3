/** Low-rank adapters: PEFT's steps and files, and what becomes of the model they are for. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { readTensors } from "../../lib/core/files.js";
import { load } from "../../lib/core/load.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { mergeAdapters, ops, Trainer, type TrainerOptions } from "../../lib/index.js";
import { fixture, numbers, temporary } from "../models/fixtures.js";
import { batch, model } from "./runs.js";

const FOLDER = fixture("adapters");
const STEPS = 5;
const OPTIONS: TrainerOptions = {
  schedule: { peak: 0.005 },
  adapters: {
    patterns: ["*.attn.q.weight", "*.attn.v.weight", "*.mlp.fc1.weight"],
    rank: 3,
    alpha: 6,
  },
  groups: [
    { pattern: "*.lora_*", decay: 0.1 },
    { pattern: "head.*", decay: 0.1 },
  ],
};

async function furthest(a: Tensor, b: Tensor): Promise<number> {
  const [left, right] = [await numbers(a), await numbers(b)];
  return left.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
}

test("the steps are PEFT's, and so are the files", async (t) => {
  const out = temporary(t);
  using run = await readTensors(fixture("adapters", "run.safetensors"));
  await using net = await load(FOLDER);
  using trainer = new Trainer(net, OPTIONS);
  await trainer.loadAdapters(join(FOLDER, "start"));
  const losses = await numbers(run.losses!);
  for (let step = 0; step < STEPS; step++) {
    const [pixel_values, labels] = [run[`pixel_values.${step}`]!, run[`labels.${step}`]!];
    const { loss } = await trainer.step({
      pixel_values: pixel_values.clone(),
      labels: labels.clone(),
    });
    t.true(Math.abs(loss - losses[step]!) < 2e-5 * (1 + loss), `${step}: ${loss}`);
  }
  await trainer.saveAdapters(out);
  using ours = await readTensors(join(out, "adapter_model.safetensors"));
  using theirs = await readTensors(fixture("adapters", "end", "adapter_model.safetensors"));
  t.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort());
  for (const [name, tensor] of Object.entries(theirs)) {
    t.true((await furthest(ours[name]!, tensor)) < 1e-4, name);
  }
  const config = JSON.parse(readFileSync(join(out, "adapter_config.json"), "utf8"));
  t.like(config, { peft_type: "LORA", r: 3, lora_alpha: 6, modules_to_save: ["head"] });
  t.deepEqual(config.target_modules.length, 6);
});

test("merged adapters are the adapted model, and the base is what it was", async (t) => {
  const out = temporary(t);
  using run = await readTensors(fixture("adapters", "run.safetensors"));
  const pixel_values = run["pixel_values.0"]!;
  await using net = await load(FOLDER);
  await mergeAdapters(net, join(FOLDER, "end"));
  using merged = await net.call("classify", { pixel_values });
  t.true((await furthest(merged.logits!, run.logits!)) < 1e-4);

  await net.save(join(out, "merged"));
  await using again = await load(join(out, "merged"));
  using same = await again.call("classify", { pixel_values });
  t.is(await furthest(same.logits!, merged.logits!), 0);

  await using base = await load(FOLDER);
  using before = await base.call("classify", { pixel_values });
  using trainer = new Trainer(base, { ...OPTIONS, groups: [] });
  await trainer.step({ pixel_values: pixel_values.clone(), labels: run["labels.0"]!.clone() });
  using during = await base.call("classify", { pixel_values });
  t.true((await furthest(during.logits!, before.logits!)) > 1e-3);
  await trainer.withoutAdapters(async () => {
    await base.save(join(out, "base"));
  });
  using saved = await readTensors(join(out, "base", "model.safetensors"));
  using original = await readTensors(join(FOLDER, "model.safetensors"));
  for (const [name, tensor] of Object.entries(original)) {
    t.true(ops.equal(saved[name]!, tensor), name);
  }
  using after = await base.call("classify", { pixel_values });
  t.is(await furthest(after.logits!, during.logits!), 0);
});

test("a run with adapters is taken up again", async (t) => {
  const out = temporary(t);
  const options: TrainerOptions = { adapters: { patterns: ["blocks.*"], seed: 9 }, ema: 0.9 };
  await using net = await model();
  using trainer = new Trainer(net, options);
  for (let i = 0; i < 3; i++) await trainer.step(batch(i));
  const folder = await trainer.save(out);
  await using other = await load(folder);
  using resumed = new Trainer(other, options);
  await resumed.resume(out);
  for (let i = 3; i < 5; i++) {
    t.deepEqual(await resumed.step(batch(i)), await trainer.step(batch(i)));
  }
});

test("adapters that do not fit, or are of another kind, are refused", async (t) => {
  const out = temporary(t);
  await using net = await model();
  await t.throwsAsync(mergeAdapters(net, out), { code: "NOT_FOUND" });
  await t.throwsAsync(mergeAdapters(net, join(FOLDER, "end")), { code: "BAD_CHECKPOINT" });
  await using base = await load(FOLDER);
  using wider = new Trainer(base, { adapters: { patterns: ["blocks.*"], rank: 4 } });
  await t.throwsAsync(wider.loadAdapters(join(FOLDER, "end")), {
    code: "BAD_CHECKPOINT",
    message: /rank 4/,
  });
  using plain = new Trainer(net);
  await t.throwsAsync(plain.loadAdapters(join(FOLDER, "end")), { code: "BAD_INPUT" });

  const changed = (changes: object) => {
    const folder = join(out, "changed");
    mkdirSync(folder, { recursive: true });
    const config = readFileSync(join(FOLDER, "end", "adapter_config.json"), "utf8");
    const text = JSON.stringify({ ...JSON.parse(config), ...changes });
    writeFileSync(join(folder, "adapter_config.json"), text);
    const weights = "adapter_model.safetensors";
    copyFileSync(join(FOLDER, "end", weights), join(folder, weights));
    return mergeAdapters(base, folder);
  };
  await t.throwsAsync(changed({ use_dora: true }), { code: "UNSUPPORTED", message: /use_dora/ });
  await t.throwsAsync(changed({ peft_type: "IA3" }), { code: "UNSUPPORTED", message: /IA3/ });
  await t.throwsAsync(changed({ r: "3" }), { code: "BAD_CHECKPOINT" });
  await t.throwsAsync(changed({ r: 2 }), { code: "BAD_CHECKPOINT" });
  await t.notThrowsAsync(changed({}));
});
