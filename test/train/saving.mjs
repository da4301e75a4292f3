/**
 * Saves checkpoints until it is killed or cannot: `saving.mjs OUT COUNT`, a process of its own, of
 * the compiled package so that it starts fast. Goes on from what is there, prints `saved STEP` for
 * each and at last `CODE REASON` of an error.
 */
import { createModule, latestCheckpoint, load, Trainer, tensor } from "torchsight";

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  image_size: 8,
  patch_size: 4,
  num_labels: 3,
};

const batch = (index) => ({
  pixel_values: tensor(
    new Float32Array(192).map((_, i) => Math.sin(i + index)),
    { shape: [1, 3, 8, 8] },
  ),
  labels: tensor(new Float32Array([0, 1, 1]), { shape: [1, 3] }),
});

const [out, count] = [process.argv[2], Number(process.argv[3])];
const newest = latestCheckpoint(out);
const net = newest === undefined ? await createModule(CONFIG) : await load(newest);
const trainer = new Trainer(net, { schedule: { peak: 1e-3 } });
if (newest !== undefined) await trainer.resume(out);
try {
  process.stdout.write(`at ${trainer.steps}\n`);
  for (let i = 0; i < count; i++) {
    await trainer.step(batch(trainer.steps));
    await trainer.save(out);
    process.stdout.write(`saved ${trainer.steps}\n`);
  }
} catch (error) {
  process.stdout.write(`${error.code} ${error.reason}\n`);
}
