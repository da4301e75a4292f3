/** How `train` tells of steps: as JSON lines, on a bar, or in a line every so often. */
import type { Evaluation, Metrics, RunOptions } from "../recipes/index.js";
import { isEvaluation } from "../recipes/metrics.js";
import type { Step } from "../train/index.js";
import type { Output, ProgressBar } from "./output.js";

/** A checkpoint of a large model takes its time; a second interrupt does not wait for it. */
export const TRAINING_GRACE_MS = 600_000;
/** Milliseconds between lines where there is no bar. */
const PAUSE_MS = 10_000;

export class TrainingProgress {
  readonly #bar: ProgressBar;
  readonly #drawn = process.stderr.isTTY === true;
  #next = 0;

  constructor(
    readonly output: Output,
    readonly steps: number,
  ) {
    this.#bar = output.progress("training");
  }

  /** `more` is told beside them in JSON. */
  tell(metrics: Metrics, more: object = {}): void {
    if (this.output.options.json) this.output.result({ ...more, ...metrics }, "");
    if (isEvaluation(metrics)) {
      if (!this.#drawn) this.output.log(`held-out ${evaluationText(metrics.evaluation)}`);
      return;
    }
    const done = metrics.step + 1;
    this.#bar.update(done, this.steps, stepText(metrics));
    const now = performance.now();
    if (this.#drawn || (now < this.#next && done < this.steps)) return;
    this.#next = now + PAUSE_MS;
    this.output.log(`step ${done} of ${this.steps}: ${stepText(metrics)}`);
  }

  stop(): void {
    this.#bar.stop();
  }
}

/** Tells of samples that cannot be used. */
export function tellBad(output: Output): NonNullable<RunOptions["onBad"]> {
  return ({ name, message }) => output.log(`a bad sample was left out: ${name}: ${message}`);
}

function stepText({ loss, learningRate, samplesPerSecond, eta }: Step): string {
  const parts = [
    `loss ${loss.toPrecision(4)}`,
    `rate ${Number(learningRate.toPrecision(3))}`,
    `${samplesPerSecond.toPrecision(3)} samples/s`,
  ];
  if (eta !== undefined) parts.push(`${duration(eta)} to go`);
  return parts.join(", ");
}

/** An evaluation in a line. */
export function evaluationText(evaluation: Evaluation): string {
  const { samples, loss, meanAveragePrecision, accuracy } = evaluation;
  const parts = [`loss ${loss.toFixed(4)}`];
  if (meanAveragePrecision !== undefined) {
    parts.push(`mean average precision ${meanAveragePrecision.toFixed(4)}`);
  }
  if (accuracy !== undefined) parts.push(`accuracy ${accuracy.toFixed(4)}`);
  return `${parts.join(", ")} on ${samples} samples`;
}

/** A time to wait, in words. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
