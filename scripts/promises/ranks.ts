/** What happens to a model in processes of its own when one of them dies or falls silent. */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createModule, ones } from "torchsight";
import {
  type DiagnosticMethods,
  type Diagnostics,
  diagnostics,
  failureOf,
  untilRunning,
} from "./jobs.js";
import type { Outcome, RuntimePromise } from "./promise.js";
import { latency } from "./statistics.js";

const LOST_LIMIT = 2000;
const TIMEOUT = 1500;
const LATE = 1000;

const skipped: Outcome = { holds: "skipped", figure: "worker processes need POSIX" };
const onWindows = process.platform === "win32";

/** Milliseconds until a collective fails with `code` after a rank got the signal. */
async function loseRank(
  module: Diagnostics,
  rank: number,
  signal: NodeJS.Signals,
  code: string,
): Promise<number> {
  const job = module.call("all_reduce", {}, { args: { n: 1 << 20, seconds: 60 } });
  await untilRunning(job);
  await sleep(200);
  const began = performance.now();
  process.kill(module.pids[rank]!, signal);
  const error = await failureOf(job);
  const took = performance.now() - began;
  if (error.code !== code) {
    throw new Error(
      `expected ${code} after ${signal} but received ${error.code}: ${error.message}`,
    );
  }
  return took;
}

/** Whether the next call gives the right sum. */
async function recovers(module: Diagnostics, ranks: number): Promise<boolean> {
  using result = await module.call("all_reduce", {}, { args: { n: 3 } });
  const sums = await result.sum.data();
  return sums.length === 3 && [...sums].every((sum) => sum === ranks);
}

async function loseRanks(
  soak: boolean,
  signal: NodeJS.Signals,
  code: string,
  limit: number,
): Promise<Outcome> {
  const times: number[] = [];
  let recovered = 0;
  for (const ranks of soak ? [2, 4, 8] : [2]) {
    await using module = await diagnostics({ tensorParallel: ranks, collectiveTimeout: TIMEOUT });
    await recovers(module, ranks);
    for (let index = 0; index < (soak ? 20 : 2); index += 1) {
      times.push(await loseRank(module, index % ranks, signal, code));
      if (await recovers(module, ranks)) recovered += 1;
    }
  }
  const figure = `${latency(times)}, ${recovered} of ${times.length} next calls right`;
  return { holds: Math.max(...times) <= limit && recovered === times.length, figure };
}

export const lostRanks: RuntimePromise = {
  name: "lost-ranks",
  statement:
    "kill -9 of any rank in the middle of a collective is RANK_FAILED soon, every time, and the " +
    "next call works (2 ranks; 4 and 8 as well in a soak)",
  limit: `< ${LOST_LIMIT} ms`,
  minutes: { short: 2, soak: 30 },
  run: async ({ soak }) =>
    onWindows ? skipped : loseRanks(soak, "SIGKILL", "RANK_FAILED", LOST_LIMIT),
};

export const stoppedRanks: RuntimePromise = {
  name: "stopped-ranks",
  statement:
    "A rank that is stopped in the middle of a collective is COLLECTIVE_TIMEOUT at the set time " +
    `(here ${TIMEOUT} ms), every time, and the next call works`,
  limit: `<= ${TIMEOUT} + ${LATE} ms`,
  minutes: { short: 2, soak: 30 },
  run: async ({ soak }) =>
    onWindows ? skipped : loseRanks(soak, "SIGSTOP", "COLLECTIVE_TIMEOUT", TIMEOUT + LATE),
};

export const isolation: RuntimePromise = {
  name: "isolation",
  statement:
    "abort() in native code of an isolated model is WORKER_FAILED; the program lives on, and the " +
    "next call of the same module works",
  limit: "every time",
  minutes: { short: 2, soak: 10 },
  async run({ soak }) {
    if (onWindows) return skipped;
    const config = { model_type: "torchsight_diagnostics", allow_abort: true };
    await using module = await createModule<DiagnosticMethods>(config, { isolate: true });
    const times = soak ? 50 : 3;
    let good = 0;
    const codes = new Set<string>();
    using x = ones([4, 4]);
    for (let index = 0; index < times; index += 1) {
      const { code } = await failureOf(module.call("abort", {}));
      codes.add(code);
      using echoed = await module.call("echo", { x });
      using sum = echoed.x.sum();
      if (code === "WORKER_FAILED" && sum.item() === 16) good += 1;
    }
    const figure = `${good} of ${times} (${[...codes].join(", ")}), then a right result`;
    return { holds: good === times, figure };
  },
};
