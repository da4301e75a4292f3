import { setTimeout as sleep } from "node:timers/promises";
import { type Job, lanes, ones, ops, TorchsightError } from "torchsight";
import { listener } from "../../dist/core/dispatcher.js";
import { type Diagnostics, diagnostics, wait } from "./jobs.js";
import { Memory } from "./memory.js";
import type { RuntimePromise } from "./promise.js";
import { megabytes } from "./statistics.js";

const JOBS = 10_000;
const WAVE = 500;
const LIMIT = 20e6;

/** What became of the jobs, as seen by whoever awaits them. */
class Tally {
  done = 0;
  cancelled = 0;
  other = 0;

  async count(job: Job<unknown, unknown, unknown>): Promise<void> {
    try {
      const value = await job;
      (value as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
      this.done += 1;
    } catch (error) {
      if (error instanceof TorchsightError && error.code === "CANCELLED") this.cancelled += 1;
      else this.other += 1;
    }
  }
}

/** Half of the jobs are cancelled: at once, or at a random point of the wave's life. */
async function wave(module: Diagnostics, tally: Tally): Promise<void> {
  using a = ones([32, 32]);
  const ends: Promise<void>[] = [];
  for (let index = 0; index < WAVE; index += 1) {
    const job = index % 5 === 0 ? wait(module, 0.002, 0.0005) : ops.job.matmul(a, a);
    ends.push(tally.count(job));
    if (index % 2 === 0) continue;
    const after = Math.random() * 60 - 10;
    if (after < 0) job.cancel();
    else sleep(after).then(() => job.cancel());
  }
  await Promise.all(ends);
}

/** Counts how often the native side says that a job has settled. */
function watchSettling(): Map<number, number> {
  const times = new Map<number, number>();
  const { settled } = listener;
  listener.settled = (id, ...rest) => {
    times.set(id, (times.get(id) ?? 0) + 1);
    settled(id, ...rest);
  };
  return times;
}

export const manyJobs: RuntimePromise = {
  name: "many-jobs",
  statement:
    "10,000 jobs, half of them cancelled at random points of their lives: the native side " +
    "settles each exactly once, nothing stays queued or running, and memory comes back. " +
    "Memory is measured over the waves of 500 after the first two",
  limit: "each settles once, 0 queued, 0 running, RSS growth < 20 MB",
  minutes: { short: 3, soak: 30 },
  async run({ soak }) {
    const times = watchSettling();
    const module = await diagnostics();
    const before = lanes.counters();
    times.clear();
    const tally = new Tally();
    const memory = new Memory();
    const waves = (soak ? 10 : 1) * (JOBS / WAVE);
    for (let done = 0; done < waves; done += 1) {
      await wave(module, tally);
      if (done >= 2) await memory.measure();
    }
    const after = lanes.counters();
    const submitted = after.submitted - before.submitted;
    const once = [...times.values()].filter((count) => count === 1).length;
    const { queued, running, queuedBytes } = after;
    const growth = memory.growth();
    const figure =
      `${once} of ${submitted} settled once (${tally.done} done, ${tally.cancelled} cancelled, ` +
      `${tally.other} other), ${queued} queued, ${running} running, RSS ${megabytes(growth)}`;
    const complete = submitted === waves * WAVE && once === submitted && times.size === submitted;
    const told = tally.other === 0 && tally.done + tally.cancelled === submitted;
    const idle = queued === 0 && running === 0 && queuedBytes === 0;
    return { holds: complete && told && idle && growth < LIMIT, figure };
  },
};
