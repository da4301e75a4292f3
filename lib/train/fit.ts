/** The run around the steps: pace, checkpoints, evaluations, and when it ends. */
import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { type BestOptions, BestSoFar } from "./best.js";
import { type DivergenceOptions, DivergenceWatch } from "./divergence.js";
import type { Loader } from "./loader.js";
import { sizeOf } from "./loss.js";
import type { Step } from "./step.js";
import type { SaveRunOptions, Trainer } from "./trainer.js";

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
  /**
   * Called every `evaluateEvery` steps and after the last one; its metrics come with the step.
   */
  evaluate?: ((state: EvaluationState) => Promise<Record<string, number>>) | undefined;
  /** Steps between evaluations. Default: one at the end. */
  evaluateEvery?: number | undefined;
  /** The best checkpoint is kept besides the newest ones, in a folder `best-…` within `out`. */
  best?: BestOptions | undefined;
  /** When a loss that is finite has diverged all the same. Default: never. */
  diverged?: DivergenceOptions | undefined;
}

/** What an evaluation is given. */
export interface EvaluationState {
  /** Steps that were made. */
  step: number;
  trainer: Trainer;
}

/** @internal As `Trainer.fit`. */
export async function* fitSteps(
  trainer: Trainer,
  loader: Loader,
  options: FitOptions,
): AsyncGenerator<Step> {
  const run = new Run(trainer, loader, options);
  if (trainer.steps >= run.steps) return;
  let last = performance.now();
  for await (const batch of loader) {
    const samples = sizeOf(batch);
    const told = await trainer.step(batch, run.control);
    run.watch?.check(told.step, told.loss);
    const seconds = (performance.now() - last) / 1000;
    const left = run.steps - trainer.steps;
    const eta = Number.isFinite(left) ? { eta: left * seconds } : {};
    const evaluation = await run.evaluate();
    last = performance.now();
    yield { ...told, samplesPerSecond: samples / seconds, ...eta, ...evaluation };
    if (run.due(options.saveEvery)) await run.save();
    if (left <= 0) break;
  }
  await run.end();
}

/** What a run keeps in mind between its steps. */
class Run {
  readonly steps: number;
  readonly control: { signal?: AbortSignal };
  readonly watch: DivergenceWatch | undefined;
  readonly #best: BestSoFar | undefined;
  #saved = -1;

  constructor(
    readonly trainer: Trainer,
    readonly loader: Loader,
    readonly options: FitOptions,
  ) {
    const { steps = Number.POSITIVE_INFINITY, signal, out, best, evaluate, diverged } = options;
    for (const name of ["saveEvery", "keep", "evaluateEvery"] as const) {
      checkWholeNumber(name, options[name], 1);
    }
    if (best !== undefined && (out === undefined || evaluate === undefined)) {
      throw invalidArgument("best", "out and evaluate beside it", best);
    }
    this.steps = steps;
    this.control = signal ? { signal } : {};
    this.watch = diverged && new DivergenceWatch(diverged);
    this.#best = best && new BestSoFar(out!, best);
  }

  /** Whether something that happens every `period` steps does now. */
  due(period: number | undefined): boolean {
    return period !== undefined && this.trainer.steps % period === 0;
  }

  /** The evaluation after this step, if it is time for one; the best checkpoint so far is saved. */
  async evaluate(): Promise<{ evaluation?: Record<string, number> }> {
    const { evaluate, evaluateEvery } = this.options;
    const { trainer } = this;
    if (evaluate === undefined) return {};
    if (!this.due(evaluateEvery) && trainer.steps < this.steps) return {};
    const evaluation = await evaluate({ step: trainer.steps, trainer });
    const best = this.#best?.take(evaluation);
    if (best !== undefined) await this.trainer.save(this.options.out!, this.#saving({ best }));
    return { evaluation };
  }

  async save(): Promise<void> {
    const { out } = this.options;
    if (out === undefined || this.#saved === this.trainer.steps) return;
    await this.trainer.save(out, this.#saving({ keep: this.options.keep }));
    this.#saved = this.trainer.steps;
  }

  /** After the last batch. */
  async end(): Promise<void> {
    await this.save();
    const { steps } = this.trainer;
    if (steps >= this.steps || !Number.isFinite(this.steps)) return;
    const message = `expected data for ${this.steps} steps but it ended after ${steps}`;
    throw new TorchsightError("BAD_INPUT", message);
  }

  #saving(how: Pick<SaveRunOptions, "best" | "keep">): SaveRunOptions {
    return { loader: this.loader, signal: this.options.signal, ...how };
  }
}
