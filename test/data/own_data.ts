/** A data set and a transform as users write them; they go wrong where they are told to. */
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import type { Dataset, Sample } from "../../lib/data/index.js";
import type { Random } from "../../lib/data/shapesworld/random.js";

export interface OwnOptions {
  length: number;
  /** Samples that cannot be read. */
  bad?: readonly number[];
  /** Samples that end the thread: by `process.exit`, or by an error that nobody catches. */
  exits?: number;
  throws?: number;
  /** Samples that never come. */
  hangs?: number;
  /** As if the data had changed before other threads opened them. */
  lengthInThreads?: number;
}

/** Samples that this thread was asked for. */
export let asked = 0;

/** Pictures of 8 x 8 whose level is the index modulo 256; slower for some, to disturb the order. */
export default function ownData({ length, bad = [], ...wrong }: OwnOptions): Dataset {
  return {
    length: isMainThread ? length : (wrong.lengthInThreads ?? length),
    labels: ["even", "odd"],
    async sample(index): Promise<Sample> {
      asked += 1;
      if (index % 5 === 0) await sleep(2);
      if (bad.includes(index)) throw new Error(`sample ${index} is damaged`);
      if (index === wrong.exits) process.exit(3);
      if (index === wrong.throws) queueMicrotask(() => failUncaught(index));
      if (index === wrong.hangs) await new Promise(() => {});
      const data = new Uint8Array(8 * 8 * 3).fill(index % 256);
      const images = [{ data, width: 8, height: 8, channels: 3 }];
      return { name: `own ${index}`, images, labels: [index % 2] };
    },
  };
}

function failUncaught(index: number): never {
  throw new RangeError(`nobody catches ${index}`);
}

/** Gives the index of a sample and a random number of it. */
export function telling({ times }: { times: number }) {
  return (sample: Sample, random: Random): Sample => {
    const index = Number(sample.name.split(" ")[1]);
    const data = Float32Array.of(times * index, random.real(0, 1));
    return { ...sample, arrays: { told: { data, shape: [2] } } };
  };
}
