/** How well a classifier's scores fit what is true. */
import { invalidArgument } from "../core/errors.js";

/** Scores of a classifier whose samples have several labels. */
export interface LabelPrecisions {
  /** The mean over the labels that some sample has; NaN where none has any. */
  mean: number;
  /** Of each label; NaN for one that no sample has. */
  labels: number[];
}

/**
 * Average precision of one label: the precision at each score that some sample has, weighed by what
 * it adds to the recall. Equal to scikit-learn's `average_precision_score`; samples of equal scores
 * count together. NaN where no sample has the label.
 *
 * @param scores - one for each sample, higher where the label is likelier
 * @param truths - 1 for samples that have the label, else 0
 */
export function averagePrecision(scores: ArrayLike<number>, truths: ArrayLike<number>): number {
  sameLength(scores.length, truths.length);
  const order = Array.from({ length: scores.length }, (_, sample) => sample);
  order.sort((a, b) => scores[b]! - scores[a]!);
  let [found, foundBefore, sum] = [0, 0, 0];
  order.forEach((sample, place) => {
    if (truths[sample]) found += 1;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[sample]) return;
    sum += ((found - foundBefore) * found) / (place + 1);
    foundBefore = found;
  });
  return sum / found;
}

/**
 * The mean over labels of {@link averagePrecision}.
 *
 * @param scores - [samples, labels], sample by sample
 * @param truths - the same of 0 and 1
 */
export function meanAveragePrecision(
  scores: ArrayLike<number>,
  truths: ArrayLike<number>,
  labels: number,
): LabelPrecisions {
  sameLength(scores.length, truths.length);
  const column = (values: ArrayLike<number>, label: number) =>
    Float64Array.from({ length: values.length / labels }, (_, i) => values[i * labels + label]!);
  const all = Array.from({ length: labels }, (_, label) =>
    averagePrecision(column(scores, label), column(truths, label)),
  );
  const known = all.filter((precision) => !Number.isNaN(precision));
  return { mean: known.reduce((sum, one) => sum + one, 0) / known.length, labels: all };
}

/**
 * The share of samples whose highest score is that of their label; of equal scores the first
 * counts.
 *
 * @param scores - [samples, labels], sample by sample
 * @param truths - the index of each sample's label
 */
export function topOneAccuracy(
  scores: ArrayLike<number>,
  truths: ArrayLike<number>,
  labels: number,
): number {
  sameLength(scores.length, truths.length * labels);
  let right = 0;
  for (let sample = 0; sample < truths.length; sample += 1) {
    let best = 0;
    for (let label = 1; label < labels; label += 1) {
      if (scores[sample * labels + label]! > scores[sample * labels + best]!) best = label;
    }
    if (best === truths[sample]) right += 1;
  }
  return right / truths.length;
}

function sameLength(scores: number, expected: number): void {
  if (scores !== expected) throw invalidArgument("the scores", `${expected} numbers`, scores);
}
