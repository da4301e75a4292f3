/** What becomes of calls of launched ranks that are lost, cancelled, or do not agree. */
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { randn } from "../../lib/core/create.js";
import { createModule, load } from "../../lib/core/load.js";
import "../../lib/models/index.js";
import { agrees, temporary } from "../models/fixtures.js";
import { freePort, type RankPlan, ranks, runCommand, SCRIPT_OF_RANK, type Told } from "./ranks.js";

const linux = process.platform === "linux" ? test.serial : test.serial.skip;
const LONG = { args: { n: 4096, seconds: 20 } };

const codes = (told: Told[]) => told.map(({ value, code }) => code ?? value);

linux("calls made at once are seen in one order by all ranks", async (t) => {
  const steps = [{ times: 5 }];
  for (const told of await ranks([{ steps }, { steps }, { steps }])) {
    t.deepEqual(codes(told), ["loaded", 3, 3, 3, 3, 3]);
  }
});

linux("a rank that is killed is RANK_FAILED on the others at once", async (t) => {
  const steps = [LONG, {}];
  const [first] = await ranks(
    [{ steps }, { steps }],
    [{ rank: 1, signal: "SIGKILL", afterMs: 300 }],
  );
  t.deepEqual(codes(first!), ["loaded", "RANK_FAILED", "RANK_FAILED"]);
  t.true(first![1]!.ms - first![0]!.ms < 3000, `${first![1]!.ms} ms`);
  t.regex(first![2]!.message ?? "", /load it anew on all ranks/);
});

linux("a rank that is stopped is noticed within the collective timeout", async (t) => {
  const plan: RankPlan = { collectiveTimeout: 1000, steps: [LONG] };
  const [first, second] = await ranks(
    [plan, plan, plan],
    [{ rank: 2, signal: "SIGSTOP", afterMs: 300 }],
  );
  const ends = [first!, second!].map((told) => told[1]!);
  // The first rank to give up closes its connections, which the other one may see before.
  for (const { code } of ends) t.true(code === "COLLECTIVE_TIMEOUT" || code === "RANK_FAILED");
  t.true(ends.some(({ code }) => code === "COLLECTIVE_TIMEOUT"));
  for (const told of [first!, second!]) t.true(told[1]!.ms - told[0]!.ms < 5000);
});

linux("a cancel of one rank is a cancel of all, and the group goes on", async (t) => {
  const told = await ranks([
    { steps: [{ ...LONG, cancelAfter: 400 }, {}] },
    { steps: [LONG, {}] },
    { steps: [LONG, {}] },
  ]);
  for (const one of told) {
    t.deepEqual(codes(one), ["loaded", "CANCELLED", 3]);
    t.true(one[1]!.ms - one[0]!.ms < 5000);
  }
});

linux("calls that differ are BAD_INPUT on all ranks, and the group goes on", async (t) => {
  const told = await ranks([
    { steps: [{ args: { n: 1 } }, {}] },
    { steps: [{ args: { n: 2 } }, {}] },
  ]);
  for (const one of told) t.deepEqual(codes(one), ["loaded", "BAD_INPUT", 2]);
});

linux("a rank that left out a call is told by the contents of the next one", async (t) => {
  const echo = (fill: number) => ({ method: "echo", inputs: { x: [300] }, fill });
  const told = await ranks([{ steps: [echo(1)] }, { steps: [echo(2)] }]);
  for (const one of told) {
    t.deepEqual(codes(one), ["loaded", "BAD_INPUT"]);
    t.regex(one[1]!.message ?? "", /the same calls with the same inputs .* echo, call 1/);
  }
});

const CONFIG = {
  model_type: "vit22b",
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 12,
  intermediate_size: 48,
  image_size: 8,
  patch_size: 4,
  num_labels: 3,
};

for (const together of [1, 2]) {
  linux(`4 processes save one of their replicas of ${together} ranks`, async (t) => {
    const folder = temporary(t);
    const plan = { config: CONFIG, join: { together }, steps: [{ save: folder }] };
    for (const told of await ranks([plan, plan, plan, plan])) {
      t.deepEqual(codes(told), ["loaded", "saved"]);
    }
    const shards = readdirSync(folder).filter((name) => name.startsWith("model-rank-"));
    t.is(shards.length, together === 1 ? 0 : together);
    await using saved = await load(folder);
    await using whole = await createModule(CONFIG);
    using pixel_values = randn([2, 3, 8, 8]);
    using expected = await whole.call("encode", { pixel_values });
    using got = await saved.call("encode", { pixel_values });
    await agrees(t, "pooled", got.pooler_output!, expected.pooler_output!, 0);
  });
}

linux("a save that ranks ask for differently is refused on all", async (t) => {
  const plan = () => ({ config: CONFIG, steps: [{ save: temporary(t) }] });
  for (const told of await ranks([plan(), plan()])) {
    t.deepEqual(codes(told), ["loaded", "BAD_INPUT"]);
  }
});

linux("what one rank cannot open is refused on all with its reason", async (t) => {
  const [good, bad] = [temporary(t), temporary(t)];
  await using model = await createModule(CONFIG);
  await model.save(good);
  copyFileSync(join(good, "config.json"), join(bad, "config.json"));
  writeFileSync(join(bad, "model.safetensors"), "no header");
  const port = String(await freePort());
  const told = await Promise.all(
    [good, bad, good].map(async (path, rank) => {
      const place = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
      const env = { RANK: String(rank), WORLD_SIZE: "3", ...place };
      const plan = JSON.stringify({ path });
      return await runCommand(process.execPath, [SCRIPT_OF_RANK, plan], env);
    }),
  );
  for (const [rank, { stdout }] of told.entries()) {
    const { code, message, ms } = JSON.parse(stdout) as Told;
    t.is(code, "BAD_CHECKPOINT");
    t.regex(message ?? "", rank === 1 ? /^expected .*model\.safetensors/ : /^rank 1: expected/);
    t.true(ms < 10_000);
  }
});
