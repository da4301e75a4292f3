import { checkWholeNumber } from "../core/checks.js";
import { TorchsightError } from "../core/errors.js";
import type { JobControl } from "../core/job.js";
import type { Module } from "../core/module.js";
import type { Session } from "../core/session.js";
import { readRun, type Saved, writeRun } from "./checkpoint.js";
import type { Batch, Loader } from "./loader.js";
import type { TrainerOptions } from "./options.js";

/** What one step tells. */
export interface Step {
  /** From 0. */
  step: number;
  /** Of the batch, before the weights moved. */
  loss: number;
  /** What the loss is the sum of, where it has several parts. */
  parts: Record<string, number>;
  /** Of all gradients together, before they were clipped. */
  gradientNorm: number;
  learningRate: number;
  /** Samples a second, from the end of the step before to the end of this one. */
  samplesPerSecond: number;
  /** Seconds that the remaining steps take at this pace; not known without `steps`. */
  eta?: number;
}

/** How long and with what a run goes on. */
export interface FitOptions {
  /** Steps of the whole run, those before a checkpoint included. Default: until data ends. */
  steps?: number | undefined;
  signal?: AbortSignal | undefined;
  /** A folder to save checkpoints in. */
  out?: string | undefined;
  /** Steps between checkpoints. Default: one at the end. */
  saveEvery?: number | undefined;
  /** Checkpoints to keep, the newest. Default 2. */
  keep?: number | undefined;
}

const TOLD = ["loss", "gradient_norm", "learning_rate"];

/** What a trainer needs of a module. */
type Trainable = Pick<Module, "openSession" | "save">;

/**
 * A run of training: moves the weights of a module batch by batch. Each step is one job, from the
 * forward pass to the moved weights. The module stays the caller's, can be called between steps,
 * and has the new weights.
 *
 * @example
 * ```ts
 * await using model = await load("models/vit");
 * using trainer = new Trainer(model, { schedule: { kind: "cosine", peak: 1e-3, steps: 1000 } });
 * for await (const { step, loss } of trainer.fit(loader, { steps: 1000 })) console.log(step, loss);
 * ```
 */
export class Trainer implements Disposable {
  readonly options: Readonly<TrainerOptions>;
  readonly #module: Trainable;
  readonly #session: Session;
  #steps = 0;

  /**
   * Throws `BAD_CONFIG` for options that mean nothing, and `NOT_FOUND` for modules that cannot be
   * trained.
   */
  constructor(module: Trainable, options: TrainerOptions = {}) {
    this.options = options;
    this.#module = module;
    this.#session = this.#module.openSession("trainer", { ...options });
  }

  /** Steps that were made, those of the checkpoint it goes on from included. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Moves the weights by one batch, which is disposed of. Rejects with `DIVERGED` where loss or
   * gradients are no numbers, `SHAPE` or `DTYPE` for a batch that does not fit; the weights are
   * then as they were.
   */
  async step(
    batch: Batch,
    control: JobControl = {},
  ): Promise<Omit<Step, "samplesPerSecond" | "eta">> {
    const told = await this.#run("step", batch, control);
    const step = this.#steps++;
    const { loss, gradient_norm, learning_rate } = told as Record<string, number>;
    const parts = Object.fromEntries(Object.entries(told).filter(([name]) => !TOLD.includes(name)));
    return {
      step,
      loss: loss!,
      parts,
      gradientNorm: gradient_norm!,
      learningRate: learning_rate!,
    };
  }

  /** The loss, and its parts, of a batch, which is disposed of. */
  async evaluate(batch: Batch, control: JobControl = {}): Promise<Record<string, number>> {
    return await this.#run("evaluate", batch, control);
  }

  /**
   * Calls `work` while the module has the averages of its weights (the option `ema`) in their
   * place, e.g. to save or to evaluate them.
   */
  async withAverages<T>(work: () => Promise<T>): Promise<T> {
    await this.#session.call("exchange", {});
    try {
      return await work();
    } finally {
      await this.#session.call("exchange", {});
    }
  }

  /**
   * Makes steps until `steps` of them were made, or the data ends. What is yielded can be
   * ignored; leaving the loop ends the run after the step that it is in.
   */
  async *fit(loader: Loader, options: FitOptions = {}): AsyncGenerator<Step> {
    const { steps = Number.POSITIVE_INFINITY, signal, out, saveEvery, keep = 2 } = options;
    checkWholeNumber("saveEvery", saveEvery, 1);
    checkWholeNumber("keep", keep, 1);
    if (this.#steps >= steps) return;
    let last = performance.now();
    let saved = -1;
    for await (const batch of loader) {
      const samples = sizeOf(batch);
      const told = await this.step(batch, signal ? { signal } : {});
      const seconds = (performance.now() - last) / 1000;
      last = performance.now();
      const eta = Number.isFinite(steps) ? { eta: (steps - this.#steps) * seconds } : {};
      yield { ...told, samplesPerSecond: samples / seconds, ...eta };
      const due = saveEvery !== undefined && this.#steps % saveEvery === 0;
      if (out !== undefined && due) {
        await this.save(out, { loader, keep, signal });
        saved = this.#steps;
      }
      if (this.#steps >= steps) break;
    }
    if (out !== undefined && saved !== this.#steps) await this.save(out, { loader, keep, signal });
    if (this.#steps < steps && Number.isFinite(steps)) {
      throw new TorchsightError(
        "BAD_INPUT",
        `expected data for ${steps} steps but it ended after ${this.#steps}`,
      );
    }
  }

  /**
   * Writes a checkpoint, a folder of its own within `out`, whole or not at all: the model as any
   * other, the trainer's state, and where `loader` is. Older ones are removed, but for `keep`.
   */
  async save(
    out: string,
    {
      loader,
      keep = 2,
      signal,
    }: { loader?: Loader; keep?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<string> {
    const state = { step: this.#steps, options: this.options, cursor: loader?.cursor?.() };
    const control = signal ? { signal } : {};
    return await writeRun(out, state, keep, async (folder, tensors) => {
      await this.#module.save(folder, control);
      using trained = await this.#session.call("state", {}, control);
      await tensors(trained);
    });
  }

  /**
   * Goes on from a checkpoint of {@link save}: a folder of one, or one that has several, of which
   * it is the newest whole one. The module must have been loaded from the same; `loader` is put
   * where it was. Rejects with `BAD_CHECKPOINT` where it does not fit this run.
   */
  async resume(out: string, loader?: Loader): Promise<Saved> {
    const { saved, state } = await readRun(out, this.options);
    using _ = state;
    try {
      this.#session.restore(state);
    } catch (cause) {
      const message = `${saved.folder}: ${(cause as Error).message}`;
      throw new TorchsightError("BAD_CHECKPOINT", message, { cause });
    }
    this.#steps = saved.step;
    if (loader && saved.cursor !== undefined) loader.seek?.(saved.cursor);
    return saved;
  }

  /** Ends the run; the module keeps its weights. */
  [Symbol.dispose](): void {
    this.#session.dispose();
  }

  async #run(method: string, batch: Batch, control: JobControl): Promise<Record<string, number>> {
    try {
      const outputs = await this.#session.call(method, batch, control);
      const entries = Object.entries(outputs).map(([name, value]) => {
        const number = Number(value.item());
        value.dispose();
        return [name, number];
      });
      return Object.fromEntries(entries);
    } finally {
      for (const tensor of Object.values(batch)) tensor.dispose();
    }
  }
}

function sizeOf(batch: Batch): number {
  return Object.values(batch)[0]?.shape[0] ?? 0;
}
