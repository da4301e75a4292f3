import { setTimeout as sleep } from "node:timers/promises";
import { native } from "../../dist/core/runtime.js";
import { median } from "./statistics.js";

/** Collects garbage until its finalizers have run. */
export async function collect(): Promise<void> {
  if (!globalThis.gc) throw new Error("expected --expose-gc");
  for (let round = 0; round < 5; round += 1) {
    globalThis.gc();
    await sleep(5);
  }
}

/** Resident memory over time, without garbage and without what the allocator keeps for reuse. */
export class Memory {
  readonly #samples: number[] = [];

  async measure(): Promise<void> {
    await collect();
    native().emptyCache();
    this.#samples.push(process.memoryUsage.rss());
  }

  /** From the median of the first third to that of the last, in bytes. */
  growth(): number {
    const third = Math.ceil(this.#samples.length / 3);
    return median(this.#samples.slice(-third)) - median(this.#samples.slice(0, third));
  }
}
