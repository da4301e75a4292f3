import { full, type Tensor } from "torchsight";
import { native } from "../../dist/core/runtime.js";
import { collect, Memory } from "./memory.js";
import type { RuntimePromise } from "./promise.js";
import { megabytes } from "./statistics.js";

const TENSORS = 10_000;
const LIMIT = 10e6;

interface Counters {
  tensors: number;
  bytes: number;
  external: number;
}

async function counters(): Promise<Counters> {
  await collect();
  const { tensors, bytes } = native().tensorCounters();
  return { tensors, bytes, external: process.memoryUsage().external };
}

/** Makes tensors of 4 bytes to 64 KB; disposes of every second, and drops the others. */
function make(): void {
  for (let index = 0; index < TENSORS; index += 1) {
    const made: Tensor = full([1 + (index % 128), 1 + (index % 127)], index);
    if (index % 2 === 0) made.dispose();
  }
}

export const tensors: RuntimePromise = {
  name: "tensors",
  statement:
    "10,000 tensors are made; half are disposed of, half are dropped and collected: the counters " +
    "of tensors, of their bytes, and of V8's external memory come back to where they were. " +
    "Memory is measured after two rounds of warming up",
  limit: "0 tensors, 0 bytes, 0 external bytes; RSS growth < 10 MB",
  minutes: { short: 2, soak: 30 },
  async run({ soak }) {
    for (let round = 0; round < 2; round += 1) {
      make();
      await counters();
    }
    const before = await counters();
    const memory = new Memory();
    await memory.measure();
    for (let round = 0; round < (soak ? 50 : 5); round += 1) {
      make();
      await memory.measure();
    }
    const after = await counters();
    const left = {
      tensors: after.tensors - before.tensors,
      bytes: after.bytes - before.bytes,
      external: after.external - before.external,
    };
    const growth = memory.growth();
    const back = left.tensors === 0 && left.bytes === 0 && left.external === 0;
    const figure =
      `${left.tensors} tensors, ${left.bytes} bytes, ${left.external} external bytes left; ` +
      `RSS ${megabytes(growth)}`;
    return { holds: back && growth < LIMIT, figure };
  },
};
