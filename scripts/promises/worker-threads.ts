import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { lanes, ones, ops } from "torchsight";
import { Memory } from "./memory.js";
import type { RuntimePromise } from "./promise.js";
import { megabytes } from "./statistics.js";

const WORKERS = 4;
const WARM_UP = 4;
const LIMIT = 20e6;

/** Starts the workers, lets them run, terminates all in the middle of a job. */
async function cycle(random: () => number): Promise<void> {
  const file = new URL("./programs/worker-loop.mjs", import.meta.url);
  const workers = Array.from({ length: WORKERS }, () => new Worker(file, { execArgv: [] }));
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  await Promise.all(
    workers.map(async (worker) => {
      await sleep(random() * 50);
      await worker.terminate();
    }),
  );
}

/** Numbers in [0, 1), the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const workerThreads: RuntimePromise = {
  name: "worker-threads",
  statement:
    `${WORKERS} worker threads load, run and are terminated in the middle of a job, again and ` +
    "again, while the main thread keeps computing right results; memory is measured from the " +
    `${WARM_UP}th cycle on`,
  limit: "no crash, no wrong result, no job left, RSS growth < 20 MB",
  minutes: { short: 3, soak: 60 },
  async run({ soak }) {
    const cycles = soak ? 200 : 12;
    const random = seeded(1);
    let ended = false;
    let right = 0;
    let wrong = 0;
    using a = ones([128, 128]);
    const computing = (async () => {
      while (!ended) {
        using product = await ops.job.matmul(a, a);
        using sum = product.sum();
        if (sum.item() === 128 ** 3) right += 1;
        else wrong += 1;
        await sleep(1);
      }
    })();
    const memory = new Memory();
    for (let done = 0; done < cycles; done += 1) {
      await cycle(random);
      if (done >= WARM_UP) await memory.measure();
    }
    ended = true;
    await computing;
    const { queued, running } = lanes.counters();
    const growth = memory.growth();
    const left = queued + running;
    const figure =
      `${cycles} cycles, ${right} right and ${wrong} wrong results, ${left} jobs left, ` +
      `RSS ${megabytes(growth)}`;
    return { holds: right > 0 && wrong === 0 && left === 0 && growth < LIMIT, figure };
  },
};
