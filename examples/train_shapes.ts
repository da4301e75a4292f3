/**
 * Trains a small classifier on Shapes World, which draws its pictures as they are needed, and tells
 * how well it finds the shapes and colours of scenes that it has never seen.
 *
 *     npx tsx examples/train_shapes.ts [STEPS] [FOLDER]
 */
import { classificationData, createModule, Trainer } from "torchsight";

const SIDE = 48;
const [steps = "200", folder] = process.argv.slice(2);

const options = { size: [SIDE, SIDE], batch: 32, seed: 1 } as const;
await using training = await classificationData("shapesworld", options);
await using held = await classificationData("shapesworld", { ...options, split: "held" });
const { labels } = training;

await using model = await createModule({
  model_type: "vit22b",
  hidden_size: 128,
  num_hidden_layers: 5,
  num_attention_heads: 4,
  intermediate_size: 512,
  image_size: SIDE,
  patch_size: 6,
  num_labels: labels.length,
});
using trainer = new Trainer(model, {
  schedule: { kind: "cosine", peak: 1e-3, steps: Number(steps), warmup: Math.ceil(+steps / 10) },
  groups: [{ pattern: "*.weight", decay: 0.05 }],
  clip: 1,
});
for await (const { step, loss, samplesPerSecond, eta } of trainer.fit(training.loader, {
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

const [scores, truths] = [[] as number[][], [] as number[][]];
for await (const { pixel_values, labels: truth } of held.loader) {
  using result = await model.call("classify", { pixel_values });
  scores.push(...((await result.logits!.toArray()) as number[][]));
  truths.push(...((await truth!.toArray()) as number[][]));
}
const precisions = labels.map((_, label) => {
  const column = (rows: number[][]) => rows.map((row) => row[label]!);
  return averagePrecision(column(scores), column(truths));
});
const mean = precisions.reduce((sum, one) => sum + one, 0) / labels.length;
console.log(`mean average precision of ${truths.length} scenes not trained on: ${mean.toFixed(3)}`);
if (folder !== undefined) await model.save(folder);
