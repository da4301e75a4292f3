/** Checkpoints of processes that are killed while they write, or have no room to. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import test from "ava";
import { load } from "../../lib/core/load.js";
import { latestCheckpoint, Trainer } from "../../lib/index.js";
import { temporary } from "../models/fixtures.js";

const SCRIPT = fileURLToPath(new URL("./saving.mjs", import.meta.url));
const KILLS = 50;
const SIDE_BY_SIDE = 2;
const OPTIONS = { schedule: { peak: 1e-3 } };

/** A process that saves `count` checkpoints in `out`, and the lines that it prints. */
function saving(out: string, count: number, limit = ""): [ChildProcess, AsyncIterator<string>] {
  const command = `${limit}exec "$0" "$@"`;
  const words = ["-c", command, process.execPath, SCRIPT, out, String(count)];
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const child = spawn("sh", words, { stdio: ["ignore", "pipe", "inherit"], env });
  return [child, createInterface({ input: child.stdout! })[Symbol.asyncIterator]()];
}

/** Numbers from 0 to 1 that look drawn, the same in every run of the test. */
function* numbersFrom(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    yield state / 2 ** 31;
  }
}

/** Kills processes one after the other, at moments between and within their saves. */
async function killed(out: string, kills: number, seed: number): Promise<number> {
  const numbers = numbersFrom(seed);
  let known = 0;
  for (let i = 0; i < kills; i++) {
    const [child, lines] = saving(out, 1_000_000);
    const begun = (await lines.next()).value as string;
    const at = Number(/^at (\d+)$/.exec(begun)?.[1]);
    // The process before had told of `known`: that checkpoint, or a newer one, is still there.
    if (!(at >= known)) throw new Error(`expected at least step ${known} but received ${begun}`);
    const saves = Math.floor(3 * numbers.next().value!);
    for (let s = 0; s < saves; s++) await lines.next();
    await new Promise((resolve) => setTimeout(resolve, 12 * numbers.next().value!));
    child.kill("SIGKILL");
    await once(child, "close");
    known = at + saves;
  }
  return known;
}

const unixTest = process.platform === "win32" ? test.skip : test;

unixTest(`after each of ${KILLS} kills the newest checkpoint loads and goes on`, async (t) => {
  const lanes = Array.from({ length: SIDE_BY_SIDE }, async (_, lane) => {
    const out = temporary(t);
    const known = await killed(out, KILLS / SIDE_BY_SIDE, lane + 1);
    await using net = await load(latestCheckpoint(out)!);
    using trainer = new Trainer(net, OPTIONS);
    const { step } = await trainer.resume(out);
    t.true(step >= known && known > KILLS / SIDE_BY_SIDE / 3, `${step} ${known}`);
    await trainer.save(out);
    const left = readdirSync(out).filter((name) => !name.startsWith("step-"));
    t.deepEqual(left, []);
  });
  await Promise.all(lanes);
});

unixTest("no room for a checkpoint is an error, and the former one is whole", async (t) => {
  const out = temporary(t);
  const [first, saved] = saving(out, 2);
  while ((await saved.next()).value !== "saved 2");
  await once(first, "close");
  // No file may be larger than 100 blocks of 512 bytes: the state is, the weights are not.
  const [second, lines] = saving(out, 1, "ulimit -f 100; ");
  t.is((await lines.next()).value, "at 2");
  t.is((await lines.next()).value, "BAD_CHECKPOINT IO_ERROR");
  await once(second, "close");
  t.is(latestCheckpoint(out), join(out, "step-000000002"));
  t.deepEqual(readdirSync(out).sort(), ["step-000000001", "step-000000002"]);
  await using net = await load(latestCheckpoint(out)!);
  using trainer = new Trainer(net, OPTIONS);
  await trainer.resume(out);
});
