/** Whether two detectors found the same. */

/** What a detector found: corners in pixels, scores, places of the queries. */
export interface Found {
  boxes: number[][];
  scores: number[];
  labels: number[];
}

/**
 * How far all that `ours` found above `threshold` is from what is nearest to it among `theirs`,
 * which has what was found at any score: a score on the threshold must not count as a difference.
 */
export function agreement(ours: Found, theirs: Found, threshold: number): string {
  let [kept, farthest, widest] = [0, 0, 0];
  for (const [i, score] of ours.scores.entries()) {
    if (score <= threshold) continue;
    const { distance, other } = nearest(ours.boxes[i]!, ours.labels[i]!, theirs);
    kept += 1;
    farthest = Math.max(farthest, distance);
    widest = Math.max(widest, Math.abs(score - (theirs.scores[other] ?? Number.NaN)));
  }
  if (kept === 0) throw new Error(`nothing has a score above ${threshold}: nothing to compare`);
  const [box, score] = [farthest, widest].map((gap) => gap.toExponential(1));
  return `${kept} found, boxes within ${box} px, scores within ${score}`;
}

/** The box of that label that is nearest by its farthest side. */
function nearest(
  box: readonly number[],
  label: number,
  { boxes, labels }: Found,
): { distance: number; other: number } {
  let best = { distance: Number.POSITIVE_INFINITY, other: -1 };
  for (const [other, candidate] of boxes.entries()) {
    if (labels[other] !== label) continue;
    const distance = Math.max(...box.map((side, i) => Math.abs(side - candidate[i]!)));
    if (distance < best.distance) best = { distance, other };
  }
  return best;
}
