// A rank that encodes with a sharded ViT-22B and with a whole one, compares, and tells of it in one
// JSON line. `RANKS_OF_A_MODEL` parts the processes into replicas; `FAIL_FIRST` has the last rank
// fail before its first call, unless the launcher has started it anew.
import { createModule, launchedGroup, ones } from "torchsight";

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 48,
  num_hidden_layers: 3,
  num_attention_heads: 12,
  intermediate_size: 96,
  image_size: 20,
  patch_size: 4,
  num_labels: 4,
};

const { launcher, rank, size, restarts } = launchedGroup();
if (process.env.FAIL_FIRST && restarts === 0 && rank === size - 1) process.exit(3);
const ranks = process.env.RANKS_OF_A_MODEL;
const tensorParallel = ranks === undefined ? undefined : Number(ranks);
const pixel_values = ones([2, 3, 20, 20]);
const whole = await createModule(CONFIG, { seed: 5 });
const part = await createModule(CONFIG, { seed: 5, group: "launcher", tensorParallel });
const results = [];
for (const model of [whole, part]) {
  const { last_hidden_state } = await model.call("encode", { pixel_values });
  results.push(await last_hidden_state.data());
}
const [expected, got] = results;
const off = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
console.log(JSON.stringify({ launcher, rank, size, restarts, off }));
if (!(off < 1e-5)) process.exitCode = 1;
