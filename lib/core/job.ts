import type { JobStats } from "../native/addon.js";
import { Latest, Stream } from "./channels.js";
import type { TorchsightError } from "./errors.js";

export type { JobStats };

/** How far a job is. `total` is 0 where it is not known. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** What the job is at, e.g. `blocks`. */
  readonly phase: string;
}

/** Where a job is in its life. The last four are final. */
export type JobState = "queued" | "running" | "done" | "failed" | "cancelled" | "expired";

/** How a job is run. Every function that starts one takes these. */
export interface JobControl {
  /** Cancels the job when it is aborted. */
  signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the job fails with `DEADLINE`. */
  deadline?: number | undefined;
  /** Which jobs of a device go first. A waiting job is never starved for good. Default `normal`. */
  priority?: "high" | "normal" | "low" | undefined;
  /** Streamed items that may wait for the reader before the job is held. Default 4. */
  streamCapacity?: number | undefined;
}

/** How whoever runs a job drives it; never seen by users. */
export interface JobDriver<T, P, S> {
  started(): void;
  progressed(progress: P): void;
  streamed(item: S, taken: () => void): void;
  resolve(value: T, stats: JobStats): void;
  reject(error: TorchsightError, stats?: JobStats): void;
}

/**
 * Running work: a real promise with a handle on what happens before it settles. It settles exactly
 * once, and rejects with a {@link TorchsightError}; rejections that nobody handles are reported as
 * those of promises are.
 *
 * @typeParam T - what it resolves to
 * @typeParam P - what its progress looks like
 * @typeParam S - what it streams; `never` for jobs that stream nothing
 *
 * @example
 * ```ts
 * const job = ops.job.matmul(a, b, { signal: AbortSignal.timeout(1000), priority: "high" });
 * job.onProgress(({ done, total }) => console.error(`${done} of ${total}`));
 * using product = await job;
 * ```
 */
export class Job<T = void, P = Progress, S = never> implements Promise<T>, AsyncIterable<S> {
  readonly [Symbol.toStringTag] = "Job";
  readonly #promise: Promise<T>;
  readonly #cancel: (reason: unknown) => void;
  readonly #progress = new Latest<P>();
  readonly #stream: Stream<S>;
  #state: JobState = "queued";
  #stats: JobStats | undefined;
  /** Whether anybody asked for the result, and the result while nobody did. */
  #claimed = false;
  #unclaimed: T | undefined;
  #disposed = false;

  /**
   * @param start - begins the work with the driver it is given and returns what cancels it
   * @internal
   */
  constructor(start: (driver: JobDriver<T, P, S>) => (reason: unknown) => void) {
    let driver!: JobDriver<T, P, S>;
    this.#promise = new Promise<T>((resolve, reject) => {
      driver = {
        started: () => {
          if (this.#state === "queued") this.#state = "running";
        },
        progressed: (progress) => this.#progress.push(progress),
        streamed: (item, taken) => this.#stream.push(item, taken, this.#claimed),
        resolve: (value, stats) => {
          this.#settle("done", stats);
          if (this.#disposed) dispose(value);
          else if (!this.#claimed) this.#unclaimed = value;
          resolve(value);
          this.#stream.end();
        },
        reject: (error, stats) => {
          this.#settle(stateOf(error), stats);
          reject(error);
          this.#stream.end(error);
        },
      };
    });
    this.#stream = new Stream<S>(() => this.#abandon());
    this.#cancel = start(driver);
  }

  /** Where the job is now. */
  get state(): JobState {
    return this.#state;
  }

  /**
   * Seconds in the queue, seconds run, and the memory high-water mark; known once it has settled.
   */
  get stats(): JobStats | undefined {
    return this.#stats;
  }

  /**
   * Asks the job to end: at once if it is queued, at its next checkpoint if it runs. It rejects
   * with `CANCELLED`, whose `cause` is `reason`. A job that has settled is left alone.
   */
  cancel(reason?: unknown): void {
    if (!this.#settled) this.#cancel(reason);
  }

  /**
   * Calls `listener` with the latest progress. Progress is lossy: a slow program sees fewer steps,
   * a listener that throws becomes a warning of the process. Returns what ends the listening.
   */
  onProgress(listener: (progress: P) => void): () => void {
    return this.#progress.listen(listener);
  }

  /** The progress as a stream of latest values; ends when the job settles. */
  progress(): AsyncIterableIterator<P> {
    return this.#progress.iterate();
  }

  /**
   * Reads what the job streams: lossless, and the job is held while the reader is behind. Leaving
   * the loop early cancels the job; its failure is thrown into the loop. Items of a job that is
   * awaited without being read are dropped.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<S> {
    this.#promise.catch(ignore);
    return this.#stream.iterate();
  }

  // biome-ignore lint/suspicious/noThenProperty: a job is a promise.
  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: TorchsightError) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#claim();
    return this.#promise.then(fulfilled, rejected);
  }

  catch<B = never>(
    rejected?: ((reason: TorchsightError) => B | PromiseLike<B>) | null,
  ): Promise<T | B> {
    this.#claim();
    return this.#promise.catch(rejected);
  }

  finally(settled?: (() => void) | null): Promise<T> {
    this.#claim();
    return this.#promise.finally(settled);
  }

  /** Cancels the job if it has not settled, and frees its result if nobody asked for it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#claimed) this.#promise.catch(ignore);
    this.cancel();
    if (!this.#claimed) dispose(this.#unclaimed);
    this.#unclaimed = undefined;
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #settled(): boolean {
    return this.#state !== "queued" && this.#state !== "running";
  }

  #settle(state: JobState, stats: JobStats | undefined): void {
    this.#state = state;
    this.#stats = stats;
    this.#progress.end();
  }

  #claim(): void {
    this.#claimed = true;
    this.#unclaimed = undefined;
    this.#stream.dropUnlessRead();
  }

  #abandon(): void {
    this.cancel("the reader left the stream");
  }
}

function stateOf({ code }: TorchsightError): JobState {
  if (code === "CANCELLED") return "cancelled";
  return code === "DEADLINE" ? "expired" : "failed";
}

function dispose(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  (value as { [Symbol.dispose]?: () => void })[Symbol.dispose]?.();
}

function ignore(): void {}
