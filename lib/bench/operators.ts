import { setImmediate as breathe } from "node:timers/promises";
import { tensor } from "../core/create.js";
import { ops } from "../core/ops.js";
import { native } from "../core/runtime.js";
import { estimate, seconds, type Timed } from "./measure.js";
import type { Benchmark } from "./report.js";

const CALLS = 20_000;

/** Seconds of one `add` of two 2x2 tensors, the result dropped. Made anew for each measurement. */
export function addTwoByTwo(): Timed {
  const a = tensor([
    [1, 2],
    [3, 4],
  ]);
  return async () => {
    // Results of the last round are collected outside of the time taken.
    await breathe();
    const taken = await seconds(() => {
      for (let i = 0; i < CALLS; i++) ops.add(a, a);
    });
    return taken / CALLS;
  };
}

/** Seconds of a call into the addon that does nothing there. */
export function emptyCall(): Timed {
  const addon = native();
  return async () => {
    const taken = await seconds(() => {
      for (let i = 0; i < CALLS; i++) addon.threads();
    });
    return taken / CALLS;
  };
}

/** What one small operator costs, and the floor of crossing into native code. */
export const operators: Benchmark = {
  name: "operators",
  async *run() {
    for (const [name, timed] of [
      ["call that does nothing", emptyCall()],
      ["add of two 2x2 tensors, dropped", addTwoByTwo()],
    ] as const) {
      await timed();
      const values = [];
      for (let i = 0; i < 15; i++) values.push(await timed());
      yield { name, seconds: estimate(values) };
    }
  },
};
