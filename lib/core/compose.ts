import { TorchsightError } from "./errors.js";
import { Job, type JobControl, type JobDriver, type JobStats, type Progress } from "./job.js";
import { checkControl } from "./jobs.js";

/** Control of a job made of others. */
export interface ComposeControl<P = Progress> extends JobControl {
  onProgress?: ((progress: P) => void) | undefined;
}

/** Options without those of the job, which a composed job hands to its parts itself. */
export function withoutControl<T extends ComposeControl<never>>(
  options: T,
): Omit<T, "onProgress" | "signal" | "deadline" | "priority"> {
  const { onProgress: _, signal: __, deadline: ___, priority: ____, ...rest } = options;
  return rest;
}

/**
 * What the parts of a composed job share.
 *
 * @typeParam S - what the whole streams
 * @typeParam P - what its progress looks like
 */
export class Steps<S = never, P extends Progress = Progress> {
  /** Sums of the parts, and the largest memory high-water mark. */
  readonly stats: JobStats = { queued: 0, ran: 0, peakBytes: 0 };
  readonly #control: ComposeControl<P>;
  readonly #signal: AbortSignal;
  readonly #driver: Pick<JobDriver<unknown, P, S>, "progressed" | "streamed">;
  readonly #ends: number;

  /** @internal Made by {@link composeJob}. */
  constructor(
    control: ComposeControl<P>,
    signal: AbortSignal,
    driver: Pick<JobDriver<unknown, P, S>, "progressed" | "streamed">,
  ) {
    this.#control = control;
    this.#signal = signal;
    this.#driver = driver;
    this.#ends = performance.now() + (control.deadline ?? Number.POSITIVE_INFINITY);
  }

  /**
   * What the next part is started with: the shared signal, the priority, and what is left of the
   * deadline. Throws `CANCELLED` or `DEADLINE` where the whole must end.
   */
  get control(): JobControl {
    const left = this.check();
    const { priority, deadline } = this.#control;
    return {
      signal: this.#signal,
      ...(priority !== undefined && { priority }),
      ...(deadline !== undefined && { deadline: left }),
    };
  }

  /**
   * Throws `CANCELLED` or `DEADLINE` where the whole must end.
   *
   * @returns milliseconds that are left
   */
  check(): number {
    if (this.#signal.aborted) throw cancelled(this.#signal.reason);
    const left = this.#ends - performance.now();
    if (left > 0) return left;
    throw new TorchsightError("DEADLINE", "the job's deadline has passed");
  }

  /**
   * Puts an item on the whole's stream, and waits until the reader has it or nobody will read.
   * Rejects with `CANCELLED` or `DEADLINE` where the whole must end meanwhile.
   */
  async emit(item: S): Promise<void> {
    const left = this.check();
    const waiting = new AbortController();
    const { promise: taken, resolve: take } = withResolvers();
    const ended = withResolvers();
    this.#signal.addEventListener("abort", ended.resolve, { signal: waiting.signal });
    const timer = Number.isFinite(left) ? setTimeout(ended.resolve, left) : undefined;
    try {
      this.#driver.streamed(item, take);
      await Promise.race([taken, ended.promise]);
    } finally {
      waiting.abort();
      clearTimeout(timer);
    }
    this.check();
  }

  /** Tells how far the whole is. */
  progress(progress: P): void {
    this.#driver.progressed(progress);
  }

  /** Waits for a part; its progress becomes the whole's, or what `tell` makes of it. */
  async run<T, I>(
    job: Job<T, Progress, I>,
    tell: (progress: Progress) => void = (progress) => this.progress(progress as P),
  ): Promise<T> {
    job.onProgress(tell);
    try {
      return await job;
    } finally {
      const { queued = 0, ran = 0, peakBytes = 0 } = job.stats ?? {};
      this.stats.queued += queued;
      this.stats.ran += ran;
      this.stats.peakBytes = Math.max(this.stats.peakBytes, peakBytes);
    }
  }
}

/**
 * One job out of several: a cancel, a deadline and a priority reach every part, and a cancelled
 * whole always rejects with `CANCELLED`. `work` runs its parts through {@link Steps.run}.
 */
export function composeJob<T, S = never, P extends Progress = Progress>(
  control: ComposeControl<P>,
  work: (steps: Steps<S, P>) => Promise<T>,
): Job<T, P, S> {
  const job = new Job<T, P, S>((driver) => {
    const abort = new AbortController();
    const cancel = (reason: unknown) => abort.abort(reason);
    // What is none is told by the check below.
    const signal = control.signal instanceof AbortSignal ? control.signal : undefined;
    const forward = () => cancel(signal?.reason);
    if (signal?.aborted) forward();
    signal?.addEventListener("abort", forward, { once: true });
    const steps = new Steps<S, P>(control, abort.signal, driver);
    driver.started();
    const run = async (): Promise<T> => {
      checkControl(control);
      steps.check();
      const value = await work(steps);
      if (!abort.signal.aborted) return value;
      (value as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
      throw cancelled(abort.signal.reason);
    };
    run()
      .then(
        (value) => driver.resolve(value, steps.stats),
        (error) => driver.reject(error, steps.stats),
      )
      .finally(() => signal?.removeEventListener("abort", forward));
    return cancel;
  });
  if (control.onProgress) job.onProgress(control.onProgress);
  return job;
}

function cancelled(reason: unknown): TorchsightError {
  return new TorchsightError("CANCELLED", "the job was cancelled", { cause: reason });
}

/** A promise and what fulfils it. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
