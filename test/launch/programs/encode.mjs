// A rank that encodes with a sharded ViT-22B and with a whole one, compares, and tells of it in one
// JSON line. `RANKS_OF_A_MODEL` parts the processes into replicas, `TRACES` is a folder for a
// timeline of each; `FAIL_FIRST` has the last rank fail while the others wait for it, unless the
// launcher has started it anew.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createModule, launchedGroup, ones } from "torchsight";

const file = new URL("../../scale/small_vit.json", import.meta.url);
const config = JSON.parse(readFileSync(file, "utf8"));
const { launcher, rank, size, restarts } = launchedGroup();
if (process.env.FAIL_FIRST && restarts === 0 && rank === size - 1) {
  await sleep(1500); // the others have come to where the ranks meet
  process.exit(3);
}
const ranks = process.env.RANKS_OF_A_MODEL;
const tensorParallel = ranks === undefined ? undefined : Number(ranks);
const pixel_values = ones([2, 3, 20, 20]);
const whole = await createModule(config, { seed: 5 });
const part = await createModule(config, { seed: 5, group: "launcher", tensorParallel });
const folder = process.env.TRACES;
const replica = Math.floor(rank / (tensorParallel ?? size));
const trace = folder === undefined ? undefined : join(folder, `${replica}.json`);
const results = [];
for (const model of [whole, part]) {
  const options = model === part ? { trace } : {};
  const { last_hidden_state } = await model.call("encode", { pixel_values }, options);
  results.push(await last_hidden_state.data());
}
const [expected, got] = results;
const off = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
console.log(JSON.stringify({ launcher, rank, size, restarts, off }));
if (!(off < 1e-5)) process.exitCode = 1;
