// A rank that trains with others and tells of it in one JSON line. `RANKS_OF_A_MODEL` parts the
// processes into replicas, which take turns at the pictures; `OUT` is the run's folder.
import { createModule, latestCheckpoint, launchedGroup, load, Trainer, tensor } from "torchsight";

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 32,
  image_size: 8,
  patch_size: 4,
  num_labels: 3,
};
const OPTIONS = { clip: 1, ema: 0.9, shardOptimizer: true };
const STEPS = 4;

const { rank, size } = launchedGroup();
const tensorParallel = Number(process.env.RANKS_OF_A_MODEL);
const [replica, replicas] = [Math.floor(rank / tensorParallel), size / tensorParallel];
const group = { group: "launcher", tensorParallel };

/** Every picture of batch `index` that is this replica's. */
function batch(index) {
  const mine = [0, 1, 2, 3, 4, 5].filter((picture) => picture % replicas === replica);
  const pixels = mine.flatMap((p) =>
    Array.from({ length: 192 }, (_, i) => Math.sin(i * 0.7 + p + index)),
  );
  const labels = mine.flatMap((p) =>
    [0, 1, 2].map((label) => Number((p + label + index) % 3 === 0)),
  );
  return {
    pixel_values: tensor(new Float32Array(pixels), { shape: [mine.length, 3, 8, 8] }),
    labels: tensor(new Float32Array(labels), { shape: [mine.length, 3] }),
  };
}

class Batches {
  next = 0;
  cursor() {
    return this.next;
  }
  seek(cursor) {
    this.next = cursor;
  }
  async *[Symbol.asyncIterator]() {
    while (this.next < STEPS) yield batch(this.next++);
  }
}

async function run(model, fit, from) {
  const trainer = new Trainer(model, OPTIONS);
  const loader = new Batches();
  if (from) await trainer.resume(from, loader);
  const losses = [];
  for await (const { loss } of trainer.fit(loader, { steps: STEPS, ...fit })) losses.push(loss);
  trainer[Symbol.dispose]();
  return losses;
}

const out = process.env.OUT;
const model = await createModule(CONFIG, { seed: 5, ...group });
const losses = await run(model, { out, saveEvery: 2, keep: 9 });
const middle = `${out}/step-000000002`;
const again = await load(middle, group);
const rest = await run(again, {}, middle);
console.log(JSON.stringify({ rank, losses, rest, newest: latestCheckpoint(out) }));
