/** Precision and recall of one category, from what became of its detections. */
import type { Cell } from "./cells.js";
import { HIT, LEFT_OUT, type Matches, matchCells } from "./matching.js";
import {
  AREA_RANGES,
  type AreaRange,
  IOU_50,
  IOU_75,
  IOU_THRESHOLDS,
  RECALL_POINTS,
} from "./protocol.js";

/** Scores from 0 to 1 that COCO and LVIS share; -1 where there is no object to find. */
export interface PrecisionScores {
  /** Average precision, the mean over IoU thresholds from 0.50 to 0.95. */
  AP: number;
  /** Average precision at IoU 0.50. */
  AP50: number;
  /** Average precision at IoU 0.75. */
  AP75: number;
  /** AP of small objects, of at most 32² pixels. */
  APs: number;
  /** AP of medium objects, from 32² to 96² pixels. */
  APm: number;
  /** AP of large objects, of at least 96² pixels. */
  APl: number;
  /** Share of the small objects that is found, the mean over the IoU thresholds. */
  ARs: number;
  /** Share of the medium objects that is found. */
  ARm: number;
  /** Share of the large objects that is found. */
  ARl: number;
}

/**
 * The scores of one category. `recallCuts` asks for further ones: the share of the objects that is
 * found with so many detections per picture.
 */
export function scoreCategory<Name extends string>(
  cells: readonly Cell[],
  recallCuts: Readonly<Record<Name, number>>,
): PrecisionScores & Record<Name, number> {
  const order = ranking(cells);
  const within = (range: AreaRange): { matches: Matches; precisions: number[] } => {
    const matches = matchCells(cells, range);
    return { matches, precisions: precisionsOf(matches, order) };
  };
  const [all, small, medium, large] = [
    within(AREA_RANGES.all),
    within(AREA_RANGES.small),
    within(AREA_RANGES.medium),
    within(AREA_RANGES.large),
  ];
  const recalls = Object.entries<number>(recallCuts).map(([name, most]) => [
    name,
    recallOf(all.matches, cells, most),
  ]);
  return {
    AP: mean(all.precisions),
    AP50: all.precisions[IOU_50]!,
    AP75: all.precisions[IOU_75]!,
    APs: mean(small.precisions),
    APm: mean(medium.precisions),
    APl: mean(large.precisions),
    ...(Object.fromEntries(recalls) as Record<Name, number>),
    ARs: recallOf(small.matches, cells),
    ARm: recallOf(medium.matches, cells),
    ARl: recallOf(large.matches, cells),
  };
}

/** The detections of all cells, best first; equal scores in the order of the cells. */
function ranking(cells: readonly Cell[]): Uint32Array {
  const scores = cells.flatMap((cell) => [...cell.scores]);
  return Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
}

/** [T] Average precision at each IoU threshold. */
function precisionsOf({ outcomes, objects }: Matches, order: Uint32Array): number[] {
  return IOU_THRESHOLDS.map((_, row) => {
    if (objects === 0) return -1;
    const start = row * order.length;
    return precisionOf(outcomes.subarray(start, start + order.length), objects, order);
  });
}

/** Precision, made to fall with recall, averaged over the recall points. */
function precisionOf(outcomes: Uint8Array, objects: number, order: Uint32Array): number {
  const precision = new Float64Array(order.length);
  const recall = new Float64Array(order.length);
  let hits = 0;
  let counted = 0;
  for (const detection of order) {
    const outcome = outcomes[detection];
    if (outcome === LEFT_OUT) continue;
    if (outcome === HIT) hits += 1;
    recall[counted] = hits / objects;
    precision[counted] = hits / (counted + 1);
    counted += 1;
  }
  for (let index = counted - 1; index > 0; index -= 1) {
    precision[index - 1] = Math.max(precision[index - 1]!, precision[index]!);
  }
  let sum = 0;
  let place = 0;
  for (const point of RECALL_POINTS) {
    while (place < counted && recall[place]! < point) place += 1;
    if (place === counted) break;
    sum += precision[place]!;
  }
  return sum / RECALL_POINTS.length;
}

/** Share of the objects found by the `most` best detections of each cell, averaged over IoUs. */
function recallOf(
  { outcomes, objects }: Matches,
  cells: readonly Cell[],
  most = Number.POSITIVE_INFINITY,
): number {
  if (objects === 0) return -1;
  const recalls = IOU_THRESHOLDS.map((_, row) => {
    let hits = 0;
    let start = (row * outcomes.length) / IOU_THRESHOLDS.length;
    for (const { scores } of cells) {
      const end = start + Math.min(scores.length, most);
      for (let index = start; index < end; index += 1) if (outcomes[index] === HIT) hits += 1;
      start += scores.length;
    }
    return hits / objects;
  });
  return mean(recalls);
}

/** The mean of `values`, at least one. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Every score of `none`, averaged over the categories that have objects; its own value, -1, where
 * no category has.
 */
export function averageScores<Scores extends PrecisionScores>(
  perCategory: readonly Scores[],
  none: Scores,
): Scores {
  const averages = (Object.keys(none) as (keyof Scores)[]).map((name) => {
    const present = perCategory.map((scores) => Number(scores[name])).filter((score) => score >= 0);
    return [name, present.length === 0 ? none[name] : mean(present)];
  });
  return Object.fromEntries(averages) as Scores;
}
