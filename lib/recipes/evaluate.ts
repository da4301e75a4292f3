/** How good a classifier is while it is trained. */
import type { Module } from "../core/module.js";
import type { Tensor } from "../core/tensor.js";
import type { ClassificationData } from "../data/index.js";
import { meanAveragePrecision, topOneAccuracy } from "../eval/classification.js";
import type { Trainer } from "../train/index.js";
import type { Evaluation } from "./metrics.js";

/** What is looked at. */
export interface Evaluated {
  model: Module;
  trainer: Trainer;
  /** Samples of which each comes once; all of them are looked at, from the first on. */
  held: ClassificationData;
  /** Whether labels are indices rather than 0 and 1 for each. */
  indices: boolean;
  /** Samples at most. */
  most: number;
  signal?: AbortSignal | undefined;
}

/**
 * Looks at held-out samples with the averages of the weights where the trainer keeps any. The run
 * is not changed by it.
 */
export async function evaluate(evaluated: Evaluated): Promise<Evaluation> {
  return await throughAverages(evaluated.trainer, () => lookAt(evaluated));
}

/** Calls `look` while the model has the averages of its weights, where the trainer keeps any. */
export async function throughAverages<T>(trainer: Trainer, look: () => Promise<T>): Promise<T> {
  return trainer.options.ema ? await trainer.withAverages(look) : await look();
}

async function lookAt(evaluated: Evaluated): Promise<Evaluation> {
  const { model, trainer, held, indices, most, signal } = evaluated;
  const control = signal ? { signal } : {};
  const scores: number[][] = [];
  const truths: number[][] = [];
  const first = held.loader.cursor();
  let [samples, loss] = [0, 0];
  try {
    for await (const batch of held.loader) {
      using pixel_values = batch.pixel_values!;
      using labels = batch.labels!;
      const size = labels.shape[0]!;
      using result = await model.call("classify", { pixel_values }, control);
      scores.push(await numbersOf(result.logits!));
      truths.push(await numbersOf(labels));
      loss += size * (await trainer.evaluate(batch, control)).loss!;
      samples += size;
      if (samples >= most) break;
    }
  } finally {
    held.loader.seek(first);
  }
  const count = held.labels.length;
  const told = { samples, loss: loss / samples };
  if (indices) return { ...told, accuracy: topOneAccuracy(scores.flat(), truths.flat(), count) };
  const { mean } = meanAveragePrecision(scores.flat(), truths.flat(), count);
  if (held.multiLabel) return { ...told, meanAveragePrecision: mean };
  const only = truths.flatMap((rows) => indicesOf(rows, count));
  const accuracy = topOneAccuracy(scores.flat(), only, count);
  return { ...told, meanAveragePrecision: mean, accuracy };
}

/** Of [samples, count] with one 1 for each sample, where that is. */
function indicesOf(rows: readonly number[], count: number): number[] {
  return rows.flatMap((value, place) => (value === 1 ? [place % count] : []));
}

async function numbersOf(tensor: Tensor): Promise<number[]> {
  return Array.from(await tensor.data(), Number);
}
