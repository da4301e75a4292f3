/**
 * Geometry and selection of boxes: pure functions on typed arrays, four numbers a box.
 *
 * Corners are [x0, y0, x1, y1], centres [cx, cy, w, h]. Arithmetic is rounded to float32 step by
 * step, as in transformers 5.18 (`box_iou`, `generalized_box_iou` and the post-processing of
 * `image_processing_pil_owlvit.py`), so that thresholds decide as they do there.
 */
import { invalidArgument } from "../../core/errors.js";

const f = Math.fround;

/** Centres and sizes to corners. */
export function toCorners(centres: Float32Array): Float32Array {
  const corners = new Float32Array(centres.length);
  for (let at = 0; at < centres.length; at += 4) {
    for (const axis of [0, 1]) {
      const centre = centres[at + axis]!;
      const half = centres[at + axis + 2]! / 2;
      corners[at + axis] = centre - half;
      corners[at + axis + 2] = centre + half;
    }
  }
  return corners;
}

/** Boxes in the model's frame to pixels: x and y multiplied by those of `map`. */
export function toPixels(boxes: Float32Array, map: { x: number; y: number }): Float32Array {
  return boxes.map((value, at) => value * (at % 2 === 0 ? map.x : map.y));
}

/** Boxes in pixels to the model's frame, the inverse of {@link toPixels}. */
export function toFrame(boxes: Float32Array, map: { x: number; y: number }): Float32Array {
  return boxes.map((value, at) => value / (at % 2 === 0 ? map.x : map.y));
}

/** Corners in pixels, kept within a picture. */
export function clipped(corners: Float32Array, width: number, height: number): Float32Array {
  return corners.map((value, at) => Math.min(Math.max(value, 0), at % 2 === 0 ? width : height));
}

/** Corners as columns, and the boxes' areas. */
class Columns {
  readonly x0: Float32Array;
  readonly y0: Float32Array;
  readonly x1: Float32Array;
  readonly y1: Float32Array;
  readonly area: Float32Array;

  /** The boxes of `corners` in that order. */
  constructor(corners: Float32Array, order: ArrayLike<number>) {
    const column = (of: (at: number) => number) => Float32Array.from(order, (box) => of(4 * box));
    this.x0 = column((at) => corners[at]!);
    this.y0 = column((at) => corners[at + 1]!);
    this.x1 = column((at) => corners[at + 2]!);
    this.y1 = column((at) => corners[at + 3]!);
    this.area = this.x0.map((_, i) => f(this.x1[i]! - this.x0[i]!) * f(this.y1[i]! - this.y0[i]!));
  }

  /** The area that two boxes share. */
  shared(i: number, j: number): number {
    const { x0, y0, x1, y1 } = this;
    if (x0[j]! >= x1[i]! || x1[j]! <= x0[i]! || y0[j]! >= y1[i]! || y1[j]! <= y0[i]!) return 0;
    const width = f(Math.min(x1[i]!, x1[j]!) - Math.max(x0[i]!, x0[j]!));
    const height = f(Math.min(y1[i]!, y1[j]!) - Math.max(y0[i]!, y0[j]!));
    return f(width * height);
  }

  /** The area of both, what they share counted once. */
  union(i: number, j: number, shared: number): number {
    return f(f(this.area[i]! + this.area[j]!) - shared);
  }

  /** The area of the smallest box around both. */
  hull(i: number, j: number): number {
    const width = f(Math.max(this.x1[i]!, this.x1[j]!) - Math.min(this.x0[i]!, this.x0[j]!));
    const height = f(Math.max(this.y1[i]!, this.y1[j]!) - Math.min(this.y0[i]!, this.y0[j]!));
    return f(Math.max(width, 0) * Math.max(height, 0));
  }
}

/** `box` as the first of the columns, those of `corners` after it. */
function beside(corners: Float32Array, box: ArrayLike<number>): Columns {
  const all = new Float32Array(corners.length + 4);
  all.set(box);
  all.set(corners, 4);
  return new Columns(
    all,
    Array.from({ length: all.length / 4 }, (_, i) => i),
  );
}

/**
 * Intersection over union of `box` with each of `corners`. NaN where both areas are 0.
 */
export function ious(corners: Float32Array, box: ArrayLike<number>): Float32Array {
  const columns = beside(corners, box);
  return Float32Array.from({ length: corners.length / 4 }, (_, i) => {
    const shared = columns.shared(0, i + 1);
    return shared / columns.union(0, i + 1, shared);
  });
}

/**
 * Generalized IoU of `box` with each of `corners` (Rezatofighi et al., arXiv 1902.09630): the IoU
 * less the share of the smallest box around both that neither covers, from -1 to 1.
 */
export function generalizedIous(corners: Float32Array, box: ArrayLike<number>): Float32Array {
  const columns = beside(corners, box);
  return Float32Array.from({ length: corners.length / 4 }, (_, i) => {
    const shared = columns.shared(0, i + 1);
    const union = columns.union(0, i + 1, shared);
    const hull = columns.hull(0, i + 1);
    return f(shared / union) - f(f(hull - union) / hull);
  });
}

/**
 * Greedy non-maximum suppression: from the best score down, each box that is kept drops those after
 * it that overlap it by an IoU above `threshold`. Of equal scores the first box goes first. With
 * `labels`, only boxes of one label drop each other.
 *
 * @returns the places of the boxes that are kept, best first
 * @throws `BAD_INPUT` for a threshold outside of 0 … 1
 */
export function nms(
  corners: Float32Array,
  scores: Float32Array,
  threshold: number,
  labels?: Int32Array,
): Int32Array {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw invalidArgument("the IoU threshold", "a number from 0 to 1", threshold);
  }
  const order = Int32Array.from(scores, (_, i) => i).sort(
    (a, b) => scores[b]! - scores[a]! || a - b,
  );
  const columns = new Columns(corners, order);
  const labelled = labels && order.map((box) => labels[box]!);
  const limit = f(threshold);
  const kept: number[] = [];
  const left = order.map((_, i) => i);
  for (let count = left.length; count > 0; ) {
    const best = left[0]!;
    kept.push(order[best]!);
    let rest = 0;
    for (let at = 1; at < count; at += 1) {
      const other = left[at]!;
      const shared = columns.shared(best, other);
      const drops =
        shared > 0 &&
        f(shared / columns.union(best, other, shared)) > limit &&
        (!labelled || labelled[best] === labelled[other]);
      if (!drops) left[rest++] = other;
    }
    count = rest;
  }
  return Int32Array.from(kept);
}

/**
 * The places of the `k` largest values, or of all if there are fewer, largest first; of equal
 * values the first. Throws `BAD_INPUT` unless `k` is a positive integer.
 */
export function topK(values: Float32Array, k: number): Int32Array {
  if (!(Number.isSafeInteger(k) && k > 0)) throw invalidArgument("topK", "a positive integer", k);
  const byRank = (a: number, b: number) => values[b]! - values[a]! || a - b;
  const heap = new Int32Array(Math.min(k, values.length));
  if (heap.length === 0) return heap;
  // The root is the worst of the best so far; `sink` puts a place where no worse one is above it.
  const sink = (place: number, from: number) => {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && byRank(heap[right]!, heap[child]!) > 0) child = right;
      if (byRank(heap[child]!, place) <= 0) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = place;
  };
  for (let i = 0; i < heap.length; i += 1) heap[i] = i;
  for (let at = (heap.length >> 1) - 1; at >= 0; at -= 1) sink(heap[at]!, at);
  for (let i = heap.length; i < values.length; i += 1) {
    if (values[i]! > values[heap[0]!]!) sink(i, 0);
  }
  return heap.sort(byRank);
}

/** The score of a logit. */
export function sigmoid(logit: number): number {
  return f(1 / (1 + Math.exp(-logit)));
}

/**
 * Scores as shares of the best one: a tenth of it becomes 0, itself 1, `(s - max / 10) / (0.9 max)`
 * between, as transformers reports image-guided detections.
 */
export function relativeScores(scores: Float32Array): Float32Array {
  const best = f(scores.reduce((most, score) => Math.max(most, score), 0) + f(1e-6));
  const floor = f(best * f(0.1));
  const range = f(best * f(0.9));
  return scores.map((score) => Math.min(Math.max(f(score - floor) / range, 0), 1));
}
