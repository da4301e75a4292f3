/**
 * Trains a small classifier on Shapes World, which draws its pictures as they are needed, and tells
 * how well it finds the shapes and colours of scenes that it has never seen.
 *
 *     npx tsx examples/train_shapes.ts [STEPS] [FOLDER]
 */
import { type Batch, createModule, ShapesWorld, shapesworld, Trainer, tensor } from "torchsight";

const { SHAPES, COLORS } = shapesworld;
const LABELS = [...SHAPES, ...COLORS];
const SIDE = 48;
const BATCH = 32;

/** Scenes as the model takes them: pixels in [-1, 1], and 1 for each shape and colour in them. */
function scenes(world: ShapesWorld, first: number, count: number): Batch {
  const pixels = new Float32Array(count * 3 * SIDE * SIDE);
  const labels = new Float32Array(count * LABELS.length);
  for (let i = 0; i < count; i += 1) {
    const clip = world.clip(first + i);
    const { data } = clip.frame(0);
    for (let at = 0; at < SIDE * SIDE; at += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const to = (3 * i + channel) * SIDE * SIDE + at;
        pixels[to] = data[3 * at + channel]! / 127.5 - 1;
      }
    }
    for (const { shape, color } of clip.objects) {
      for (const name of [shape, color]) labels[i * LABELS.length + LABELS.indexOf(name)] = 1;
    }
  }
  return {
    pixel_values: tensor(pixels, { shape: [count, 3, SIDE, SIDE] }),
    labels: tensor(labels, { shape: [count, LABELS.length] }),
  };
}

const [steps = "200", folder] = process.argv.slice(2);
const options = { size: [SIDE, SIDE], frames: 1, objects: [1, 4], occlusion: "none" } as const;
const training = new ShapesWorld({ ...options, seed: 1 });
const held = new ShapesWorld({ ...options, seed: 2 });

await using model = await createModule({
  model_type: "vit22b",
  hidden_size: 128,
  num_hidden_layers: 5,
  num_attention_heads: 4,
  intermediate_size: 512,
  image_size: SIDE,
  patch_size: 6,
  num_labels: LABELS.length,
});
using trainer = new Trainer(model, {
  schedule: { kind: "cosine", peak: 1e-3, steps: Number(steps), warmup: Math.ceil(+steps / 10) },
  groups: [{ pattern: "*.weight", decay: 0.05 }],
  clip: 1,
});
async function* batches() {
  for (let first = 0; ; first += BATCH) yield scenes(training, first, BATCH);
}
for await (const { step, loss, samplesPerSecond, eta } of trainer.fit(batches(), {
  steps: +steps,
})) {
  if (step % 20 !== 0) continue;
  const pace = `${samplesPerSecond.toFixed(0)} scenes/s, ${eta?.toFixed(0)} s to go`;
  console.log(`step ${step}: loss ${loss.toFixed(3)}, ${pace}`);
}

/** The mean precision at the ranks of the scenes that have the label, best score first. */
function averagePrecision(scores: readonly number[], truths: readonly number[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  let [found, sum] = [0, 0];
  for (const [rank, i] of order.entries()) if (truths[i]) sum += ++found / (rank + 1);
  return sum / found;
}

const { pixel_values, labels } = scenes(held, 0, 512);
using result = await model.call("classify", { pixel_values });
const [scores, truths] = [await result.logits!.data(), await labels!.data()];
const column = (values: ArrayLike<unknown>, label: number) =>
  Array.from({ length: 512 }, (_, i) => Number(values[i * LABELS.length + label]));
const precisions = LABELS.map((_, label) =>
  averagePrecision(column(scores, label), column(truths, label)),
);
const mean = precisions.reduce((sum, one) => sum + one, 0) / LABELS.length;
console.log(`mean average precision of 512 scenes that were not trained on: ${mean.toFixed(3)}`);
if (folder !== undefined) await model.save(folder);
