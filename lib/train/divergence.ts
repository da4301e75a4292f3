/** Whether a loss has left the others behind. */

import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";

/** When a run has diverged although its numbers are finite. */
export interface DivergenceOptions {
  /** Times the median of the losses before, above which a loss ends the run with `DIVERGED`. */
  factor: number;
  /** The last losses, of which the median is taken once there are as many. Default 50. */
  window?: number | undefined;
}

/** Looks at the losses of a run one by one. */
export class DivergenceWatch {
  readonly #factor: number;
  readonly #window: number;
  readonly #losses: number[] = [];

  constructor({ factor, window = 50 }: DivergenceOptions) {
    if (!(factor > 1)) throw invalidArgument("diverged.factor", "a number above 1", factor);
    checkWholeNumber("diverged.window", window, 1);
    this.#factor = factor;
    this.#window = window;
  }

  /** Throws `DIVERGED` where the loss of `step` is far above those before it. */
  check(step: number, loss: number): void {
    if (this.#losses.length === this.#window) {
      const median = medianOf(this.#losses);
      if (loss > this.#factor * median) {
        throw new TorchsightError(
          "DIVERGED",
          `expected a loss of at most ${this.#factor} times the median of the last ` +
            `${this.#window}, which is ${median}, in step ${step} but it is ${loss}`,
        );
      }
      this.#losses.shift();
    }
    this.#losses.push(loss);
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
