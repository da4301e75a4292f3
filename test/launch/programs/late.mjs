// Two ranks of which one waits for the other: `node late.mjs FOLDER` under a launcher. The first
// lets another job of its device run to its end before the second makes their call, and leaves a
// stream unread until the second is through. Each writes one JSON line: how many items it was
// given.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createModule, launchedGroup, tensor } from "torchsight";

const DIAGNOSTICS = { model_type: "torchsight_diagnostics" };
const WRITER = {
  model_type: "gemma",
  vocab_size: 60,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 1,
  head_dim: 8,
};
const TOKENS = 12;

const folder = process.argv[2];
const { rank } = launchedGroup();
const tell = (name) => writeFileSync(join(folder, name), "");
const told = async (name) => {
  while (!existsSync(join(folder, name))) await sleep(10);
};
// A rank that is held up for good is found out within seconds.
const options = { group: "launcher", collectiveTimeout: 8000 };

const both = await createModule(DIAGNOSTICS, options);
if (rank === 0) {
  const waiting = both.call("all_reduce", {});
  const alone = await createModule(DIAGNOSTICS);
  await alone.call("all_reduce", {});
  tell("another job has run");
  await waiting;
} else {
  await told("another job has run");
  await both.call("all_reduce", {});
}

const writer = await createModule(WRITER, { seed: 2, ...options });
const input_ids = tensor([[5n, 17n, 3n, 40n]], { dtype: "int64" });
const args = { max_new_tokens: TOKENS, eos_token_id: [] };
const job = writer.call("generate", { input_ids }, { args });
let items = 0;
for await (const item of job) {
  item.token_ids.dispose();
  items += 1;
  if (rank === 0 && items === 1) await told("all is written");
}
await job;
if (rank === 1) tell("all is written");
console.log(JSON.stringify({ rank, items }));
