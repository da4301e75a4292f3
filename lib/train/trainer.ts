import { TorchsightError } from "../core/errors.js";
import type { JobControl } from "../core/job.js";
import type { Module } from "../core/module.js";
import { disposablesIn } from "../core/scope.js";
import type { Session } from "../core/session.js";
import { misfit, readAdapters, writeAdapters } from "./adapters.js";
import { type Best, placesOf, readRun, type Saved, writeRun } from "./checkpoint.js";
import { type FitOptions, fitSteps } from "./fit.js";
import type { Batch, Loader } from "./loader.js";
import { evaluateLoss, sizeOf, stepByLoss } from "./loss.js";
import { type AdapterOptions, plainOptions, type TrainerOptions } from "./options.js";
import { type SingleStep, type Step, stepOf } from "./step.js";
import { type Told, toldBy } from "./told.js";

/** What a trainer needs of a module. */
export type Trainable = Pick<Module, "openSession" | "save" | "pids" | "rank">;

/** How a checkpoint is saved. */
export interface SaveRunOptions {
  /** Whose place is saved as well. */
  loader?: Loader | undefined;
  /** Checkpoints to keep, the newest. Default 2. */
  keep?: number | undefined;
  /** Saves it as the best one so far, which takes the place of the one before and of no other. */
  best?: Best | undefined;
  signal?: AbortSignal | undefined;
}

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
    if (typeof options.loss === "function" && module.pids.length > 0) {
      throw new TorchsightError(
        "UNSUPPORTED",
        "expected a model in this process for a loss of one's own but received one in others",
      );
    }
    this.options = options;
    this.#module = module;
    this.#session = this.#module.openSession("trainer", { ...plainOptions(options) });
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
  async step(batch: Batch, control: JobControl = {}): Promise<SingleStep> {
    const { loss, accumulate = 1, clipPerExample } = this.options;
    const told = await this.#using(batch, control, async (whole) => {
      if (typeof loss !== "function") {
        return await toldBy(await this.#session.call("step", whole, control));
      }
      const parts = clipPerExample ? sizeOf(whole) : accumulate;
      return await stepByLoss(this.#session, loss, whole, parts, control);
    });
    return stepOf(this.#steps++, told);
  }

  /** The loss, and its parts, of a batch, which is disposed of. */
  async evaluate(batch: Batch, control: JobControl = {}): Promise<Record<string, number>> {
    const { loss } = this.options;
    const told = await this.#using(batch, control, async (whole) =>
      typeof loss === "function"
        ? await evaluateLoss(this.#session, loss, whole, control)
        : await toldBy(await this.#session.call("evaluate", whole, control)),
    );
    return told as Record<string, number>;
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
   * Calls `work` while the module has its own weights in the adapted ones' place (the option
   * `adapters`).
   */
  async withoutAdapters<T>(work: () => Promise<T>): Promise<T> {
    await this.#session.call("take_out", {});
    try {
      return await work();
    } finally {
      await this.#session.call("merge", {});
    }
  }

  /**
   * Writes what is trained, adapters and what is trained beside them, into `folder`, as PEFT does:
   * `adapter_config.json` and `adapter_model.safetensors`.
   */
  async saveAdapters(folder: string): Promise<void> {
    using trained = await this.#session.call("trained", {});
    await writeAdapters(folder, trained, this.#adapters());
  }

  /**
   * Goes on from adapters of {@link saveAdapters} or of PEFT, which must be of the same weights.
   * Rejects with `BAD_CHECKPOINT` where they do not fit.
   */
  async loadAdapters(folder: string): Promise<void> {
    const { rank = 8, alpha = rank } = this.#adapters();
    const read = await readAdapters(folder);
    using _ = read.tensors;
    if (read.rank !== rank || read.alpha !== alpha) {
      const had = `rank ${read.rank} and alpha ${read.alpha}`;
      throw new TorchsightError(
        "BAD_CHECKPOINT",
        `${folder}: expected rank ${rank} and alpha ${alpha} but received ${had}`,
      );
    }
    try {
      await this.#session.call("adopt", read.tensors);
    } catch (error) {
      throw misfit(folder, error);
    }
  }

  /**
   * Makes steps until `steps` of them were made, or the data ends. What is yielded can be
   * ignored; leaving the loop ends the run after the step that it is in.
   */
  fit(loader: Loader, options: FitOptions = {}): AsyncGenerator<Step> {
    return fitSteps(this, loader, options);
  }

  /**
   * Writes a checkpoint, a folder of its own within `out`, whole or not at all: the model as any
   * other, the trainer's state, and where `loader` is. Older ones are removed, but for `keep`. All
   * ranks of a launcher call it; the first one writes what is no rank's own.
   */
  async save(out: string, options: SaveRunOptions = {}): Promise<string> {
    const { loader, keep = 2, best, signal } = options;
    const saved = { options: plainOptions(this.options), cursor: loader?.cursor?.() };
    const run = { step: this.#steps, ...saved, ...(best ? { best } : {}) };
    const control = signal ? { signal } : {};
    // The state first: a launcher's ranks meet there, once the first one has made room.
    if (this.#module.rank > 0) {
      using _ = await this.#session.call("state", {}, control);
      const { fresh, final } = placesOf(out, run);
      await this.#module.save(fresh, control);
      return final;
    }
    return await writeRun(out, run, keep, async (folder, tensors) => {
      using trained = await this.#session.call("state", {}, control);
      await this.#module.save(folder, control);
      await tensors(trained);
    });
  }

  /**
   * Goes on from a checkpoint of {@link save}: a folder of one, or one that has several, of which
   * it is the newest whole one. The module must have been loaded from the same; `loader` is put
   * where it was. Rejects with `BAD_CHECKPOINT` where it does not fit this run.
   */
  async resume(out: string, loader?: Loader): Promise<Saved> {
    const { saved, state } = await readRun(out, plainOptions(this.options));
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

  #adapters(): AdapterOptions {
    const { adapters } = this.options;
    if (adapters) return adapters;
    throw new TorchsightError("BAD_INPUT", "expected a trainer with adapters but it has none");
  }

  /** Does `work` with a batch, what a teacher says of it included, and disposes of it. */
  async #using(
    batch: Batch,
    control: JobControl,
    work: (whole: Batch) => Promise<Told>,
  ): Promise<Told> {
    const { teacher } = this.options;
    let whole = batch;
    try {
      if (teacher) {
        const { pixel_values } = batch;
        const { logits, ...rest } = await teacher.call("classify", { pixel_values }, control);
        for (const tensor of disposablesIn(rest)) tensor.dispose();
        whole = { ...batch, teacher_logits: logits! };
      }
      return await work(whole);
    } finally {
      for (const tensor of Object.values(whole)) tensor.dispose();
    }
  }
}
