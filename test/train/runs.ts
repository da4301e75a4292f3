/** A small model and its data, for tests of runs. */
import { createModule } from "../../lib/core/load.js";
import { tensor } from "../../lib/index.js";
import "../../lib/models/index.js";
import type { Batch, Loader, TrainerOptions } from "../../lib/train/index.js";

export const CONFIG = {
  model_type: "vit22b",
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  image_size: 8,
  patch_size: 4,
  num_labels: 3,
};

export const OPTIONS: TrainerOptions = {
  schedule: { kind: "cosine", peak: 5e-3, steps: 12, warmup: 2 },
  groups: [{ pattern: "head.*", decay: 0.1 }],
  clip: 1,
  ema: 0.9,
};

export const model = (seed = 3) => createModule(CONFIG, { seed });

/** Batch `index`: labels that the pictures' brightness decides on. */
export function batch(index: number, size = 4): Batch {
  const pixels = new Float32Array(size * 3 * 64).map((_, i) => Math.sin(i * 0.7 + index));
  const labels = new Float32Array(size * 3).map((_, i) => ((i + index) % 3 === 0 ? 1 : 0));
  return {
    pixel_values: tensor(pixels, { shape: [size, 3, 8, 8] }),
    labels: tensor(labels, { shape: [size, 3] }),
  };
}

/** Batches 0 to `count - 1`, resumable. `of` replaces single ones. */
export class Batches implements Loader {
  #next = 0;

  constructor(
    readonly count: number,
    readonly of: (index: number) => Batch = batch,
  ) {}

  cursor(): number {
    return this.#next;
  }

  seek(cursor: unknown): void {
    this.#next = cursor as number;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    while (this.#next < this.count) yield this.of(this.#next++);
  }
}
