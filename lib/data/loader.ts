/** Batches of a data set. */
import { checkWholeNumber } from "../core/checks.js";
import { tensor } from "../core/create.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { Batch, Loader } from "../train/loader.js";
import { BadSamples } from "./bad_samples.js";
import { type Dataset, type DatasetSource, openDataset, sourceForThreads } from "./dataset.js";
import { type Place, Plan } from "./plan.js";
import { WorkerPool } from "./pool.js";
import {
  type BadSample,
  type Maker,
  type Packed,
  Producer,
  type ProducerOptions,
} from "./producer.js";
import {
  compose,
  type SampleTransform,
  type Transform,
  transformsForThreads,
} from "./transforms.js";

/** How a data set becomes batches. */
export interface DataLoaderOptions {
  /** Samples of a batch. */
  batch: number;
  /** What becomes of a sample; see {@link Transform}. One must make arrays. */
  transforms: readonly Transform[];
  /** Of the order and of all that is random in transforms. Default 0. */
  seed?: number | undefined;
  /** Whether each epoch has an order of its own. Default true; endless sets have one order. */
  shuffle?: boolean | undefined;
  /** How often the data set is gone through. Default 1; `Infinity` for no end. */
  epochs?: number | undefined;
  /**
   * Whether all batches are full, and as many on each rank (default): what is left at the end of an
   * epoch is dropped, and a bad sample's place is taken by another one. Else every good sample
   * comes exactly once, as evaluation wants it.
   */
  dropLast?: boolean | undefined;
  /** Which part of each batch of all ranks is this loader's, of how many. Default 0 of 1. */
  rank?: number | undefined;
  ranks?: number | undefined;
  /** Threads that make batches. Default 0: this one does, and others of libuv decode. */
  workers?: number | undefined;
  /** Batches that are made ahead at most. Default 2 a worker, 2 without workers. */
  prefetch?: number | undefined;
  /** Samples that may be bad; one more is an error. Default 100. */
  maxBad?: number | undefined;
  /** Told once of each bad sample. Default: a warning of the process. */
  onBad?: ((bad: BadSample) => void) | undefined;
  /** Ends a loop over the loader with `CANCELLED`. */
  signal?: AbortSignal | undefined;
}

/** A loop that runs. */
interface Loop {
  stop: AbortController;
  maker?: Maker;
}

/** Options that are whole numbers, and the least that each may be. */
const COUNTS = [
  ["batch", 1],
  ["seed", 0],
  ["rank", 0],
  ["ranks", 1],
  ["workers", 0],
  ["prefetch", 1],
  ["maxBad", 0],
] as const;

/** Where a loader is, in JSON. */
interface Cursor extends Place {
  seed: number;
  samples: number | null;
  bad: readonly number[];
}

/**
 * Batches of a data set, in an order that the seed decides on: the same tensors, bit for bit, for
 * any number of threads, and after a run was taken up again. A batch has the arrays that the
 * transforms make, stacked.
 *
 * Each batch comes once: a loop that was left goes on where it was. Threads live as long as the
 * loop does, and do not keep the process alive.
 *
 * @example
 * ```ts
 * await using loader = await DataLoader.open(
 *   { kind: "folder", folder: "photos" },
 *   {
 *     batch: 32,
 *     epochs: Infinity,
 *     workers: 2,
 *     transforms: [
 *       { kind: "inceptionCrop", size: [224, 224] },
 *       { kind: "flip" },
 *       { kind: "pixels" },
 *       { kind: "labels", count: 10 },
 *     ],
 *   },
 * );
 * for await (const step of trainer.fit(loader, { steps: 1000, out: "run" })) console.log(step);
 * ```
 */
export class DataLoader implements Loader, AsyncDisposable {
  /** Of the whole data set; `Infinity` for one without end. */
  readonly samples: number;
  /** Names of labels, where the data set has any. */
  readonly labels: readonly string[] | undefined;
  readonly #options: DataLoaderOptions;
  readonly #producing: ProducerOptions;
  readonly #dataset: Dataset;
  readonly #step: SampleTransform;
  readonly #plan: Plan;
  readonly #bad: BadSamples;
  #place: Place = { epoch: 0, position: 0 };
  #loop: Loop | undefined;

  /**
   * Opens the data set.
   *
   * @throws `BAD_INPUT` for options that mean nothing, fewer samples than a batch of all ranks
   *   where only full ones count, and what {@link openDataset} throws
   */
  static async open(source: DatasetSource, options: DataLoaderOptions): Promise<DataLoader> {
    const { rank = 0, ranks = 1, seed = 0, epochs, shuffle = true, maxBad = 100 } = options;
    for (const [name, least] of COUNTS) checkWholeNumber(name, options[name], least);
    if (options.batch === undefined) throw invalidArgument("batch", "a whole number", undefined);
    if (rank >= ranks) throw invalidArgument("rank", `a whole number below ${ranks}`, rank);
    if (epochs !== Number.POSITIVE_INFINITY) checkWholeNumber("epochs", epochs, 1);
    const dataset = await openDataset(source);
    const producing: ProducerOptions = {
      source: sourceForThreads(source, dataset),
      length: dataset.length,
      transforms: transformsForThreads(options.transforms),
      full: options.dropLast ?? true,
      ...{ seed, shuffle, rank, ranks, maxBad },
    };
    return new DataLoader(options, producing, dataset, await compose(producing.transforms));
  }

  private constructor(
    options: DataLoaderOptions,
    producing: ProducerOptions,
    dataset: Dataset,
    step: SampleTransform,
  ) {
    const { rank, ranks, full, length: samples } = producing;
    const { batch, epochs = 1 } = options;
    this.samples = samples;
    this.labels = dataset.labels;
    this.#options = options;
    this.#producing = producing;
    this.#dataset = dataset;
    this.#step = step;
    this.#plan = new Plan({ samples, batch, rank, ranks, full, epochs });
    this.#bad = new BadSamples(producing.maxBad, options.onBad);
  }

  /** Batches of a whole epoch of this rank. */
  get batchesPerEpoch(): number {
    return this.#plan.batchesPerEpoch;
  }

  /** Where the next batch begins, for {@link seek}; threads being ahead does not count. */
  cursor(): unknown {
    const { length, seed } = this.#producing;
    const samples = Number.isFinite(length) ? length : null;
    return { ...this.#place, seed, samples, bad: this.#bad.indices } satisfies Cursor;
  }

  /**
   * Goes on where another loader of the same data set and seed was. Batches and ranks may be
   * others: what was not taken by then follows. Throws `BAD_INPUT` for what is no such place.
   */
  seek(cursor: unknown): void {
    if (this.#loop) throw new TorchsightError("BAD_INPUT", "a loop over the loader still runs");
    const { seed, samples } = this.cursor() as Cursor;
    const given = (cursor ?? {}) as Partial<Cursor>;
    const { epoch = -1, position = -1, bad = [] } = given;
    const whole = [epoch, position, ...bad].every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!whole || given.seed !== seed || given.samples !== samples) {
      const expected = `a cursor of a loader of seed ${seed} and ${samples ?? "endless"} samples`;
      throw invalidArgument("cursor", expected, cursor);
    }
    this.#place = { epoch, position };
    this.#bad.restore(bad);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    if (this.#loop) throw new TorchsightError("BAD_INPUT", "expected one loop at a time");
    const { workers = 0, signal } = this.#options;
    const stop = new AbortController();
    const ended = signal ? AbortSignal.any([stop.signal, signal]) : stop.signal;
    const loop: Loop = { stop };
    this.#loop = loop;
    try {
      loop.maker = workers
        ? new WorkerPool(workers, this.#producing)
        : new Producer(this.#producing, this.#dataset, this.#step);
      yield* this.#batches(loop.maker, ended);
    } finally {
      if (this.#loop === loop) this.#loop = undefined;
      await loop.maker?.end();
    }
  }

  /** Ends a loop that still runs, and its threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    const loop = this.#loop;
    this.#loop = undefined;
    loop?.stop.abort();
    await loop?.maker?.end();
  }

  async *#batches(maker: Maker, ended: AbortSignal): AsyncGenerator<Batch> {
    const { workers = 0, prefetch = 2 * Math.max(1, workers) } = this.#options;
    const ahead: { packed: Promise<Packed>; count: number; place: Place }[] = [];
    let last = this.#place;
    const fill = () => {
      while (ahead.length < prefetch) {
        const next = this.#plan.next(last);
        if (!next) return;
        last = next.place;
        const packed = maker.produce(next.task);
        // Seen when its turn comes, if it comes.
        packed.catch(() => {});
        ahead.push({ packed, count: next.task.count, place: next.place });
      }
    };
    for (fill(); ahead.length > 0; ) {
      const { packed, count, place } = ahead.shift()!;
      const { rows, arrays, bad } = await unless(ended, packed);
      this.#bad.note(bad);
      if (rows < count && this.#producing.full) throw this.#bad.error();
      this.#place = place;
      fill();
      if (rows > 0) yield batchOf(arrays);
      if (ended.aborted) throw cancelled(ended);
    }
  }
}

function batchOf(arrays: Packed["arrays"]): Batch {
  const entries = Object.entries(arrays).map(([name, { data, shape }]) => {
    return [name, tensor(data, { shape })] as const;
  });
  return Object.fromEntries(entries);
}

/** What `work` gives, unless the signal comes first. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stopped = () => {};
  const abort = new Promise<never>((_, reject) => {
    stopped = () => reject(cancelled(signal));
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped, { once: true });
  });
  try {
    return await Promise.race([abort, work]);
  } finally {
    signal.removeEventListener("abort", stopped);
  }
}

function cancelled({ reason }: AbortSignal): TorchsightError {
  return new TorchsightError("CANCELLED", "loading data was cancelled", { cause: reason });
}
