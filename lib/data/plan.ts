/** Which rows the batches of a rank have, epoch by epoch. */
import { invalidArgument } from "../core/errors.js";
import type { Task } from "./producer.js";

/** How far all ranks together have gone. */
export interface Place {
  epoch: number;
  /** Samples of the epoch that were taken, by all ranks. */
  position: number;
}

interface PlanOptions {
  samples: number;
  batch: number;
  rank: number;
  ranks: number;
  full: boolean;
  epochs: number;
}

/**
 * Ranks take turns: place p of an epoch's order belongs to rank p modulo `ranks`, and so batches of
 * all ranks are runs of the order, whatever their number.
 */
export class Plan {
  readonly #options: PlanOptions;
  /** Samples of a batch of all ranks. */
  readonly #all: number;

  constructor(options: PlanOptions) {
    const { samples, batch, ranks, full } = options;
    this.#options = options;
    this.#all = batch * ranks;
    if (full && samples < this.#all) {
      const expected = `at most ${samples}, the number of samples, for batches of all ranks`;
      throw invalidArgument("batch", expected, this.#all);
    }
  }

  /** Batches of an epoch of this rank. */
  get batchesPerEpoch(): number {
    const { samples, batch, rank, ranks, full } = this.#options;
    if (full) return Math.floor(samples / this.#all);
    return Math.ceil(Math.max(0, Math.ceil((samples - rank) / ranks)) / batch);
  }

  /** The rows of the next batch and where the one after it begins; nothing at the end. */
  next(from: Place): { task: Task; place: Place } | undefined {
    const { samples, rank, ranks, batch, full, epochs } = this.#options;
    let { epoch, position } = from;
    for (; epoch < epochs; epoch += 1, position = 0) {
      const left = samples - position;
      const count = Math.min(batch, Math.ceil((left - rank) / ranks));
      if (full ? left < this.#all : count < 1) {
        // A rank without any sample would look for one for ever.
        if (position === 0) return undefined;
        continue;
      }
      const place = { epoch, position: position + this.#all };
      return { task: { epoch, position, count }, place };
    }
    return undefined;
  }
}
