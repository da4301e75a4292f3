/** How soon jobs end that are cancelled or late, and how soon small ones get their turn. */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { lanes, ViT22B, zeros } from "torchsight";
import { type Diagnostics, diagnostics, failureOf, untilRunning, wait } from "./jobs.js";
import type { Outcome, RuntimePromise } from "./promise.js";
import { latency, median, ms } from "./statistics.js";

const tries = (soak: boolean) => (soak ? 201 : 15);
const STEP = 50;
const LATE = 50;
const QUEUED_LIMIT = 10;
const TURN_LIMIT = 60;

/** Runs `body` while a job of a minute has the only thread of the lane. */
async function behindLongJob<T>(body: (module: Diagnostics) => Promise<T>): Promise<T> {
  const module = await diagnostics();
  lanes.limit({ threads: 1 });
  const long = wait(module, 60, 0.01);
  try {
    await untilRunning(long);
    return await body(module);
  } finally {
    long.cancel();
    await failureOf(long);
  }
}

/** Milliseconds from `cancel()` until the job has rejected with `CANCELLED`. */
async function cancelTime(job: ReturnType<typeof wait>): Promise<number> {
  const began = performance.now();
  job.cancel();
  const { code } = await failureOf(job);
  if (code !== "CANCELLED") throw new Error(`expected CANCELLED but received ${code}`);
  return performance.now() - began;
}

function repeat(times: number, body: () => Promise<number>): Promise<number[]> {
  return Array.from({ length: times }).reduce<Promise<number[]>>(
    async (before) => [...(await before), await body()],
    Promise.resolve([]),
  );
}

export const cancelQueued: RuntimePromise = {
  name: "cancel-queued",
  statement: "A queued job that is cancelled has rejected at once, in the median of the tries",
  limit: `< ${QUEUED_LIMIT} ms`,
  minutes: { short: 1, soak: 5 },
  run: ({ soak }) =>
    behindLongJob(async (module) => {
      const times = await repeat(tries(soak), async () => {
        const job = wait(module, 60, 0.01);
        await sleep(2);
        return cancelTime(job);
      });
      return { holds: median(times) < QUEUED_LIMIT, figure: latency(times) };
    }),
};

export const cancelRunning: RuntimePromise = {
  name: "cancel-running",
  statement: `A running job that is cancelled ends within one step (here ${STEP} ms) and 50 ms, \
in the median of the tries`,
  limit: `<= ${STEP + LATE} ms`,
  minutes: { short: 1, soak: 5 },
  async run({ soak }) {
    const module = await diagnostics();
    const times = await repeat(tries(soak), async () => {
      const job = wait(module, 60, STEP / 1000);
      await untilRunning(job);
      await sleep(STEP * Math.random());
      return cancelTime(job);
    });
    return { holds: median(times) <= STEP + LATE, figure: latency(times) };
  },
};

/** Milliseconds of one layer, from the progress of a whole run. */
async function layerTime(vit: ViT22B, pixels: ReturnType<typeof zeros>): Promise<number> {
  const job = vit.encode(pixels);
  const stamps: number[] = [];
  job.onProgress(() => stamps.push(performance.now()));
  using _ = await job;
  return Math.max(...stamps.slice(1).map((stamp, index) => stamp - stamps[index]!));
}

export const cancelModel: RuntimePromise = {
  name: "cancel-model",
  statement:
    "A ViT of 86 million parameters that is cancelled half-way ends within one of its layers " +
    "(the slowest of an undisturbed run) and 50 ms, in the median of the tries",
  limit: "<= one layer + 50 ms",
  minutes: { short: 2, soak: 10 },
  async run({ soak }) {
    await using vit = await ViT22B.random("B", { seed: 1 });
    const { image_size: side } = vit.config;
    const [height, width] = typeof side === "number" ? [side, side] : side;
    using pixels = zeros([1, 3, height!, width!]);
    (await vit.encode(pixels))[Symbol.dispose]();
    const layer = await layerTime(vit, pixels);
    const times = await repeat(soak ? 51 : 5, async () => {
      const job = vit.encode(pixels);
      await new Promise<void>((resolve) => {
        job.onProgress(({ done, total }) => {
          if (done >= total / 3) resolve();
        });
      });
      await sleep(layer * Math.random());
      return cancelTime(job);
    });
    const figure = `${latency(times)} with layers of ${ms(layer)}`;
    return { holds: median(times) <= layer + LATE, figure };
  },
};

export const deadlines: RuntimePromise = {
  name: "deadlines",
  statement:
    "A queued job whose deadline passes ends with DEADLINE at that time and never starts; the " +
    "delay is the median of the tries",
  limit: `<= ${LATE} ms after the deadline, never before, 0 started`,
  minutes: { short: 1, soak: 5 },
  run: ({ soak }) => behindLongJob((module) => expire(module, tries(soak))),
};

async function expire(module: Diagnostics, times: number): Promise<Outcome> {
  let started = 0;
  const late = await repeat(times, async () => {
    const deadline = 40 + 40 * Math.random();
    const began = performance.now();
    const job = wait(module, 60, 0.01, { deadline });
    const { code } = await failureOf(job);
    const took = performance.now() - began;
    if (code !== "DEADLINE") throw new Error(`expected DEADLINE but received ${code}`);
    if (job.stats?.ran !== 0) started += 1;
    return took - deadline;
  });
  const early = late.filter((delay) => delay < -1).length;
  const figure = `${latency(late)} late, ${early} early, ${started} started`;
  return { holds: median(late) <= LATE && early === 0 && started === 0, figure };
}

export const fairTurns: RuntimePromise = {
  name: "fair-turns",
  statement:
    "A job of 5 ms is done soon while a job of a minute, with layers of 20 ms, has the device; " +
    "the median of the tries",
  limit: `< ${TURN_LIMIT} ms`,
  minutes: { short: 1, soak: 5 },
  async run({ soak }) {
    const module = await diagnostics();
    const long = wait(module, 60, 0.02);
    await untilRunning(long);
    const times = await repeat(tries(soak), async () => {
      await sleep(30 * Math.random());
      const began = performance.now();
      await wait(module, 0.005, 0.005);
      return performance.now() - began;
    });
    const { state } = long;
    long.cancel();
    await failureOf(long);
    return { holds: median(times) < TURN_LIMIT && state === "running", figure: latency(times) };
  },
};
