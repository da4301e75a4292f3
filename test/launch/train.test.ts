/** Training by processes that a launcher has started. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { temporary } from "../models/fixtures.js";
import { MAIN, runCommand } from "./ranks.js";

const TRAIN = fileURLToPath(new URL("programs/train.mjs", import.meta.url));
const linux = process.platform === "linux" ? test.serial : test.serial.skip;

interface Told {
  losses: number[];
  rest: number[];
  newest: string;
}

let alone: number[] | undefined;

for (const [processes, ranks] of [
  [1, 1],
  [2, 1],
  [2, 2],
  [4, 2],
] as const) {
  linux(`${processes} processes train replicas of ${ranks}, save together and go on`, async (t) => {
    const out = temporary(t);
    const env = { RANKS_OF_A_MODEL: String(ranks), OUT: out };
    const words = [MAIN, "launch", "--nproc", String(processes), "--", TRAIN];
    const { code, stdout, stderr } = await runCommand(process.execPath, words, env);
    t.is(code, 0, stderr);
    const told = (stdout.match(/\{.*\}/g) ?? []).map((line) => JSON.parse(line) as Told);
    t.is(told.length, processes);
    alone ??= told[0]!.losses;
    for (const { losses, rest } of told) {
      t.deepEqual(losses, told[0]!.losses);
      t.deepEqual(rest, losses.slice(2));
      for (const [i, loss] of losses.entries()) t.true(Math.abs(loss - alone[i]!) < 1e-4 * loss);
    }
    t.is(told[0]!.newest, join(out, "step-000000004"));
  });
}
