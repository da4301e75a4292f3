/** Which detections of one category find an object, per IoU threshold. */
import type { Cell } from "./cells.js";
import { type AreaRange, IOU_THRESHOLDS } from "./protocol.js";

/** What becomes of a detection. */
export const MISTAKE = 0;
export const HIT = 1;
/** Neither: it matched an object that does not count, or is not of the areas asked for. */
export const LEFT_OUT = 2;

/** The outcomes of a category's N detections. */
export interface Matches {
  /** [T, N] by IoU threshold and detection, the cells' detections one after the other. */
  outcomes: Uint8Array;
  /** Objects that count. */
  objects: number;
}

/** Matches the detections of every cell with the objects whose area is in `range`. */
export function matchCells(cells: readonly Cell[], range: AreaRange): Matches {
  const count = cells.reduce((sum, { scores }) => sum + scores.length, 0);
  const outcomes = new Uint8Array(IOU_THRESHOLDS.length * count);
  let objects = 0;
  let offset = 0;
  for (const cell of cells) {
    const candidates = candidatesOf(cell, range);
    for (const [row, threshold] of IOU_THRESHOLDS.entries()) {
      const start = row * count + offset;
      const end = start + cell.scores.length;
      matchCell(cell, range, candidates, threshold, outcomes.subarray(start, end));
    }
    objects += candidates.counted;
    offset += cell.scores.length;
  }
  return { outcomes, objects };
}

/** The objects of a cell in the order in which they are tried: those that count come first. */
interface Candidates {
  order: readonly number[];
  counted: number;
}

function candidatesOf({ objectAreas, ignored }: Cell, [least, largest]: AreaRange): Candidates {
  const counted: number[] = [];
  const others: number[] = [];
  for (const [index, area] of objectAreas.entries()) {
    const counts = !ignored[index] && area >= least && area <= largest;
    (counts ? counted : others).push(index);
  }
  return { order: [...counted, ...others], counted: counted.length };
}

/** Greedily, the best detection first: writes the outcomes [D] at one threshold. */
function matchCell(
  cell: Cell,
  [least, largest]: AreaRange,
  candidates: Candidates,
  threshold: number,
  outcomes: Uint8Array,
): void {
  const taken = new Uint8Array(candidates.order.length);
  for (const [detection, area] of cell.detectionAreas.entries()) {
    const match = bestMatch(cell, detection, candidates, threshold, taken);
    if (match >= 0) {
      taken[match] = 1;
      outcomes[detection] = match < candidates.counted ? HIT : LEFT_OUT;
    } else {
      outcomes[detection] = cell.lenient || area < least || area > largest ? LEFT_OUT : MISTAKE;
    }
  }
}

/** Place in `candidates.order` of the free object that overlaps most, the last of equals; or -1. */
function bestMatch(
  { overlaps, crowd }: Cell,
  detection: number,
  { order, counted }: Candidates,
  threshold: number,
  taken: Uint8Array,
): number {
  let best = -1;
  let most = threshold;
  for (let place = 0; place < order.length; place += 1) {
    const object = order[place]!;
    // What counts is preferred, however much more of another object is covered.
    if (place === counted && best >= 0) break;
    if (taken[place] && !crowd[object]) continue;
    const overlap = overlaps[detection * order.length + object]!;
    if (overlap < most) continue;
    most = overlap;
    best = place;
  }
  return best;
}
