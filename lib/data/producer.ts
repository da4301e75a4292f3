/** What makes the rows of batches, in this thread or in another. */
import { setImmediate as turn } from "node:timers/promises";
import { TorchsightError } from "../core/errors.js";
import type { Dataset, DatasetSource, Sample, SampleArray } from "./dataset.js";
import { openDataset } from "./dataset.js";
import { MOST_SAMPLES, Permutation, transformRandom } from "./order.js";
import { compose, type SampleTransform, type Transform } from "./transforms.js";

/** What decides on the rows of batches, beside their places: plain, for other threads. */
export interface ProducerOptions {
  source: DatasetSource;
  /** Samples that there are, to see that every thread has the same. */
  length: number;
  transforms: readonly Transform[];
  seed: number;
  shuffle: boolean;
  rank: number;
  ranks: number;
  /** Whether a bad sample's place is taken by another. */
  full: boolean;
  /** Bad samples after which no more are tried in their place. */
  maxBad: number;
}

/** Rows that are asked for: `count` of this rank, from a place of all ranks on. */
export interface Task {
  epoch: number;
  position: number;
  count: number;
}

/** A sample that cannot be used. */
export interface BadSample {
  /** In the data set. */
  index: number;
  /** Its file, or what else its data set tells. */
  name: string;
  /** Why. */
  message: string;
}

/** Rows, stacked: each array is [rows, …]. */
export interface Packed {
  rows: number;
  arrays: Record<string, SampleArray>;
  /** In the order of places. */
  bad: BadSample[];
}

/** What makes rows. */
export interface Maker {
  produce(task: Task): Promise<Packed>;
  /** Frees what it holds; nothing is asked of it afterwards. */
  end(): Promise<void>;
}

/** Samples that are made at a time: they wait for files and for the threads that decode. */
const AT_A_TIME = 4;
/** As if a data set without end had so many samples a rank, to find others by. */
const ENDLESS = 2 ** 40;
/** Codes that tell of a sample. All others tell of the machine or the program. */
const OF_SAMPLES: readonly string[] = ["BAD_INPUT", "NOT_FOUND", "SHAPE", "DTYPE"];

type Row = { name: string; arrays: Record<string, SampleArray> };

/**
 * Makes rows. Each is a function of the options, the epoch and its place alone, whoever makes it.
 */
export class Producer implements Maker {
  #order: Permutation | undefined;
  #ended = false;

  constructor(
    readonly options: ProducerOptions,
    readonly dataset: Dataset,
    readonly step: SampleTransform,
  ) {}

  /** In another thread, by its options alone. */
  static async open(options: ProducerOptions): Promise<Producer> {
    const dataset = await openDataset(options.source);
    if (dataset.length === options.length) {
      return new Producer(options, dataset, await compose(options.transforms));
    }
    const message = `expected ${options.length} samples but a thread found ${dataset.length}`;
    throw new TorchsightError("BAD_INPUT", message);
  }

  /** The rows of a task, in the order of their places; fewer where samples are bad. */
  async produce({ epoch, position, count }: Task): Promise<Packed> {
    const { rank, ranks } = this.options;
    const rows: (Row | undefined)[] = new Array(count).fill(undefined);
    const bad: BadSample[][] = Array.from({ length: count }, () => []);
    let next = 0;
    const run = async () => {
      while (next < count && !this.#ended) {
        const at = next++;
        rows[at] = await this.#row(epoch, position + at * ranks + rank, bad[at]!);
        // Lets other work of the thread in, where samples are drawn without waiting.
        await turn();
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count) }, run));
    const good = rows.filter((row) => row !== undefined);
    return { rows: good.length, arrays: stack(good), bad: bad.flat() };
  }

  /** What is being made is left where it is. */
  async end(): Promise<void> {
    this.#ended = true;
  }

  /** The sample at a place, or in its stead the first good one half an epoch further on. */
  async #row(epoch: number, place: number, bad: BadSample[]): Promise<Row | undefined> {
    const { length, rank, ranks, full, maxBad } = this.options;
    const own = Number.isFinite(length) ? Math.floor(length / ranks) : ENDLESS;
    const local = Math.floor(place / ranks);
    let row = await this.#sample(epoch, place, bad);
    for (let other = 0; full && !row && other < Math.min(own, maxBad); other += 1) {
      const instead = (local + Math.floor(own / 2) + other) % own;
      row = await this.#sample(epoch, instead * ranks + rank, bad);
    }
    return row;
  }

  async #sample(epoch: number, place: number, bad: BadSample[]): Promise<Row | undefined> {
    const index = this.#indexAt(epoch, place);
    let sample: Sample | undefined;
    try {
      sample = await this.dataset.sample(index);
      const { name } = sample;
      const random = transformRandom(this.options.seed, epoch, index);
      const { arrays } = await this.step(sample, random);
      if (arrays && Object.keys(arrays).length > 0) return { name, arrays };
    } catch (error) {
      const { code, message } = error as TorchsightError;
      if (error instanceof TorchsightError && !OF_SAMPLES.includes(code)) throw error;
      bad.push({ index, name: sample?.name ?? `sample ${index}`, message: message ?? `${error}` });
      return undefined;
    }
    const message = "expected a transform that makes arrays, such as pixels or labels";
    throw new TorchsightError("BAD_CONFIG", message);
  }

  #indexAt(epoch: number, place: number): number {
    const { length, shuffle, seed } = this.options;
    if (!shuffle || length > MOST_SAMPLES) return place;
    if (this.#order?.epoch !== epoch) this.#order = new Permutation(length, seed, epoch);
    return this.#order.at(place);
  }
}

/** Arrays of the same names and shapes as one array each. Throws `SHAPE` for what does not fit. */
function stack(rows: readonly Row[]): Record<string, SampleArray> {
  const [first] = rows;
  if (!first) return {};
  const names = Object.keys(first.arrays);
  const odd = rows.find(({ arrays }) => `${Object.keys(arrays)}` !== `${names}`);
  if (odd) {
    throw new TorchsightError(
      "SHAPE",
      `expected ${names} of ${odd.name}, as of ${first.name}, but received ` +
        `${Object.keys(odd.arrays)}`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, stackOne(rows, name)]));
}

function stackOne(rows: readonly Row[], name: string): SampleArray {
  const { data, shape } = rows[0]!.arrays[name]!;
  const Kind = data.constructor as new (length: number) => SampleArray["data"];
  const all = new Kind(rows.length * data.length);
  for (const [at, row] of rows.entries()) {
    const one = row.arrays[name]!;
    if (`${one.shape}` !== `${shape}` || one.data.constructor !== Kind) {
      throw new TorchsightError(
        "SHAPE",
        `expected ${name} of shape [${shape}] of ${row.name}, as of ${rows[0]!.name}, but ` +
          `received [${one.shape}]; a transform that brings pictures to one size helps`,
      );
    }
    // Of one kind, as was seen.
    (all as Float32Array).set(one.data as Float32Array, at * data.length);
  }
  return { data: all, shape: [rows.length, ...shape] };
}
