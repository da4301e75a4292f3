/** Learning beside models that stay as they are: teachers, and locked image towers. */
import test from "ava";
import { readTensors } from "../../lib/core/files.js";
import { createModule } from "../../lib/core/load.js";
import { lockedImages, type Module, ops, type Tensor, Trainer, tensor } from "../../lib/index.js";
import type { Batch } from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { Batches, batch, CONFIG, model } from "./runs.js";

/** All weights of a model, by saving it. */
async function weightsOf(net: Module, folder: string): Promise<Record<string, Tensor>> {
  await net.save(folder);
  return await readTensors(`${folder}/model.safetensors`);
}

test("distillation: the student comes closer, the teacher stays as it is", async (t) => {
  const out = temporary(t);
  await using teacher = await createModule({ ...CONFIG, hidden_size: 32 }, { seed: 8 });
  await using student = await model();
  // New heads are all zeros; a teacher has an opinion.
  using opinion = new Trainer(teacher, { schedule: { peak: 0.02 } });
  for (let i = 0; i < 10; i++) await opinion.step(batch(i));
  const before = await weightsOf(teacher, `${out}/before`);
  const pictures = (i: number): Batch => {
    const { pixel_values, labels } = batch(i % 3);
    labels!.dispose();
    return { pixel_values: pixel_values! };
  };
  using trainer = new Trainer(student, {
    loss: "distillation",
    distillation: { temperature: 2 },
    teacher,
    schedule: { peak: 5e-3 },
  });
  const losses: number[] = [];
  for await (const { loss, parts } of trainer.fit(new Batches(40, pictures), { steps: 40 })) {
    losses.push(loss);
    t.is(parts.divergence, loss);
  }
  t.true(losses.at(-1)! < 0.3 * losses[0]!, `${losses}`);
  t.true((await trainer.evaluate(pictures(0))).loss! < losses[0]!);
  const after = await weightsOf(teacher, `${out}/after`);
  for (const [name, tensor] of Object.entries(before))
    t.true(ops.equal(tensor, after[name]!), name);
});

test("a locked image tower: texts come closer to its pictures", async (t) => {
  const out = temporary(t);
  await using images = await createModule({ ...CONFIG, num_labels: 0 }, { seed: 5 });
  const width = CONFIG.hidden_size;
  const tower = { intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
  await using towers = await createModule({
    model_type: "siglip",
    text_config: {
      ...tower,
      hidden_size: 16,
      projection_size: width,
      vocab_size: 20,
      max_position_embeddings: 5,
    },
    vision_config: { ...tower, hidden_size: width, image_size: 8, patch_size: 4 },
  });
  const before = await weightsOf(images, `${out}/before`);
  const pair = (): Batch => {
    const { pixel_values, labels } = batch(2);
    labels!.dispose();
    const ids = new BigInt64Array(4 * 5).map((_, i) => BigInt((i * 7) % 20));
    return { pixel_values: pixel_values!, input_ids: tensor(ids, { shape: [4, 5] }) };
  };
  for (const loss of ["softmax", "sigmoid"]) {
    using trainer = new Trainer(towers, {
      loss,
      schedule: { peak: 5e-3 },
      groups: [{ pattern: "vision_model.*", frozen: true }],
    });
    const source = new Batches(40, pair);
    const loader = lockedImages(images, source);
    t.is(loader.cursor!(), 0);
    const losses: number[] = [];
    for await (const step of trainer.fit(loader, { steps: 40 })) losses.push(step.loss);
    t.true(losses.at(-1)! < 0.5 * losses[0]!, `${loss}: ${losses}`);
    t.is(loader.cursor!(), 40);
  }
  const after = await weightsOf(images, `${out}/after`);
  for (const [name, tensor] of Object.entries(before))
    t.true(ops.equal(tensor, after[name]!), name);
});
