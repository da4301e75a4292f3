/** Which checkpoint of a run was the best so far. */
import { checkOneOf } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { type Best, readBest } from "./checkpoint.js";

/** What makes a checkpoint better than another. */
export interface BestOptions {
  /** A number of what `evaluate` gives. */
  metric: string;
  /** Default `max`. */
  mode?: "max" | "min" | undefined;
}

/** Compares evaluations, those before a checkpoint that a run goes on from included. */
export class BestSoFar {
  readonly #metric: string;
  readonly #sign: 1 | -1;
  #value: number | undefined;

  constructor(out: string, { metric, mode = "max" }: BestOptions) {
    if (typeof metric !== "string" || metric === "") {
      throw invalidArgument("best.metric", "the name of a metric", metric);
    }
    checkOneOf("best.mode", mode, ["max", "min"]);
    this.#metric = metric;
    this.#sign = mode === "max" ? 1 : -1;
    const before = readBest(out);
    if (before?.metric === metric) this.#value = before.value;
  }

  /** What to write with a checkpoint that is better than all before; undefined where it is not. */
  take(evaluation: Record<string, number>): Best | undefined {
    const value = evaluation[this.#metric];
    if (typeof value !== "number") {
      throw new TorchsightError(
        "BAD_INPUT",
        `expected ${this.#metric} (best.metric) among what evaluate gives but received ` +
          `${Object.keys(evaluation).join(", ") || "nothing"}`,
      );
    }
    const better = this.#value === undefined || this.#sign * (value - this.#value) > 0;
    if (!better || Number.isNaN(value)) return undefined;
    this.#value = value;
    return { metric: this.#metric, value };
  }
}
