/** How far a cascade is, and how long it still takes. */
import type { Progress } from "../core/job.js";

/** `done` of `total` 1 is the share of all floating-point operations; `phase` is the stage. */
export interface CascadeProgress extends Progress {
  /** The stage's name, and its place among the `stages` that run, from 0. */
  readonly stage: string;
  readonly place: number;
  readonly stages: number;
  /** Evaluations of its network, a guided one counted once: as many as steps, repeats aside. */
  readonly step: number;
  readonly steps: number;
  /** Seconds to the end. Absent until something was measured. */
  readonly eta?: number;
}

/** What a stage takes. */
export interface StageCost {
  name: string;
  steps: number;
  /** Floating-point operations of all steps. */
  flops: number;
}

/**
 * Weighs steps by what they cost. The rest of a stage takes as long as its steps took so far, a
 * later stage as long as its operations at the rate of all that were made.
 */
export class CascadeClock {
  readonly #costs: readonly StageCost[];
  readonly #now: () => number;
  readonly #total: number;
  #began = 0;
  /** Of the stages that are behind. */
  #flops = 0;
  #seconds = 0;
  #place = 0;

  /** @param now - seconds */
  constructor(costs: readonly StageCost[], now: () => number) {
    this.#costs = costs;
    this.#now = now;
    this.#total = costs.reduce((sum, { flops }) => sum + flops, 0);
  }

  /** The stage at that place begins its steps now. */
  begin(place: number): CascadeProgress {
    this.#place = place;
    this.#began = this.#now();
    return this.tell(0);
  }

  /** So many of its steps are made. */
  tell(step: number): CascadeProgress {
    const { name, steps, flops } = this.#costs[this.#place]!;
    const made = (flops * step) / steps;
    const taken = this.#now() - this.#began;
    const eta = this.#eta(step, steps, made, taken);
    return {
      done: (this.#flops + made) / this.#total,
      total: 1,
      phase: name,
      stage: name,
      place: this.#place,
      stages: this.#costs.length,
      step,
      steps,
      ...(eta !== undefined && { eta }),
    };
  }

  /** The stage is done. */
  end(): void {
    this.#flops += this.#costs[this.#place]!.flops;
    this.#seconds += this.#now() - this.#began;
  }

  #eta(step: number, steps: number, made: number, taken: number): number | undefined {
    const flops = this.#flops + made;
    if (flops === 0) return undefined;
    const rate = (this.#seconds + taken) / flops;
    const own = step > 0 ? (taken * (steps - step)) / step : rate * this.#costs[this.#place]!.flops;
    const later = this.#costs.slice(this.#place + 1);
    return own + rate * later.reduce((sum, stage) => sum + stage.flops, 0);
  }
}
