/**
 * From logits and boxes of one image to detections, as transformers 5.18 post-processes OWL-ViT and
 * OWLv2; but every image has a result, whether or not anything is found in it.
 */
import { invalidArgument } from "../../core/errors.js";
import { nms, relativeScores, sigmoid, toCorners, toPixels, topK } from "./boxes.js";
import type { BoxMap } from "./processing.js";

/** Pairs of a patch and a query, and how well they fit. */
export interface Pairs {
  logits: Float32Array;
  /** Places of the queries. */
  queries: Int32Array;
  /** Places of the patches. Default: one pair for each patch, in order. */
  patches?: Int32Array;
}

/** What was found in an image. All arrays are of one length, but `boxes` has four numbers each. */
export interface Detections {
  /** Corners in pixels, not clipped to the image. */
  boxes: Float32Array;
  /** 0 … 1. */
  scores: Float32Array;
  /** Places of the queries. */
  queries: Int32Array;
  /** Places of the patches. */
  patches: Int32Array;
}

/** What is kept of text-conditioned detection. */
export interface TextOptions {
  /** Scores must be above it. Default 0.1. */
  threshold?: number | undefined;
  /** At most so many, best first. Default: all, in the order of the pairs. */
  topK?: number | undefined;
  /** IoU above which the worse of two boxes is dropped. Default: none is. */
  nmsIou?: number | undefined;
  /** Whether boxes of different queries drop each other too. Default false. */
  nmsAcrossQueries?: boolean | undefined;
}

/** What is kept of image-conditioned detection. */
export interface ExampleOptions {
  /** Scores must be above it. Default 0.1; 0 for relative scores. */
  threshold?: number | undefined;
  /** At most so many, best first. Default: all, in the order of the pairs. */
  topK?: number | undefined;
  /** IoU above which the worse of two boxes is dropped, whatever their queries. Default 0.3. */
  nmsIou?: number | undefined;
  /**
   * `sigmoid` (default) reports scores as they are. `relative` reports shares of the image's best
   * score, as transformers does: the best box then has 1 even where the query is not in the image,
   * and what is below a tenth of it is left out. The threshold is one of sigmoid scores in both; in
   * `relative`, as there, scores equal to it are kept.
   */
  scoreMode?: "sigmoid" | "relative" | undefined;
}

/**
 * Each patch with the query of its largest logit, the first of several.
 *
 * @param logits - [P, queries]
 * @param first - the place of the first query, where these are a part of all
 */
export function bestQueries(logits: Float32Array, queries: number, first = 0): Pairs {
  checkRows(logits, queries);
  const patches = logits.length / queries;
  const pairs = { logits: new Float32Array(patches), queries: new Int32Array(patches) };
  for (let patch = 0, row = 0; patch < patches; patch += 1, row += queries) {
    let best = 0;
    for (let query = 1; query < queries; query += 1) {
      if (logits[row + query]! > logits[row + best]!) best = query;
    }
    pairs.queries[patch] = first + best;
    pairs.logits[patch] = logits[row + best]!;
  }
  return pairs;
}

/** Each patch with the better of two queries, of equals that of `one`. Both have all patches. */
export function betterPairs(one: Pairs, other: Pairs): Pairs {
  const better = (patch: number) => other.logits[patch]! > one.logits[patch]!;
  return {
    logits: one.logits.map((logit, patch) => (better(patch) ? other.logits[patch]! : logit)),
    queries: one.queries.map((query, patch) => (better(patch) ? other.queries[patch]! : query)),
  };
}

/**
 * The `k` best of all pairs, best first: a patch may come with several queries, as in the models'
 * evaluation, which takes 300.
 *
 * @param logits - [P, queries]
 * @param first - the place of the first query, where these are a part of all
 */
export function bestPairs(
  logits: Float32Array,
  queries: number,
  k: number,
  first = 0,
): Required<Pairs> {
  checkRows(logits, queries);
  const best = topK(logits, k);
  return {
    logits: Float32Array.from(best, (i) => logits[i]!),
    queries: best.map((i) => first + (i % queries)),
    patches: best.map((i) => Math.floor(i / queries)),
  };
}

/** The `k` best of several lists of pairs, best first; of equals those of an earlier list. */
export function mergedPairs(lists: readonly Required<Pairs>[], k: number): Required<Pairs> {
  const all = <T>(of: (list: Required<Pairs>) => ArrayLike<T>) =>
    lists.flatMap((list) => Array.from(of(list)));
  const logits = Float32Array.from(all(({ logits }) => logits));
  const queries = all(({ queries }) => queries);
  const patches = all(({ patches }) => patches);
  const best = topK(logits, k);
  return {
    logits: Float32Array.from(best, (i) => logits[i]!),
    queries: best.map((i) => queries[i]!),
    patches: best.map((i) => patches[i]!),
  };
}

/**
 * Text-conditioned detections: those above the threshold, then, if asked for, without overlapping
 * ones, then the best of them.
 *
 * @param boxes - of all patches, [P, 4]: centres and sizes in the model's frame
 * @param map - what the frame is in pixels
 */
export function textDetections(
  pairs: Pairs,
  boxes: Float32Array,
  map: BoxMap,
  options: TextOptions = {},
): Detections {
  const { nmsIou, nmsAcrossQueries = false } = options;
  const limit = limitOf(options.threshold ?? 0.1);
  let found = only(scored(pairs, boxes), (score) => score > limit);
  if (nmsIou !== undefined) found = distinct(found, nmsIou, !nmsAcrossQueries);
  found = atMost(found, options.topK);
  return { ...found, boxes: toPixels(found.boxes, map) };
}

/**
 * Image-conditioned detections: those above the threshold, without overlapping ones, then the best
 * of them.
 *
 * @param boxes - of all patches, [P, 4]: centres and sizes in the model's frame
 * @param map - what the frame is in pixels
 */
export function exampleDetections(
  pairs: Pairs,
  boxes: Float32Array,
  map: BoxMap,
  options: ExampleOptions = {},
): Detections {
  const { scoreMode = "sigmoid", nmsIou = 0.3 } = options;
  if (!["sigmoid", "relative"].includes(scoreMode)) {
    throw invalidArgument("scoreMode", "sigmoid or relative", scoreMode);
  }
  const relative = scoreMode === "relative";
  const limit = limitOf(options.threshold ?? (relative ? 0 : 0.1));
  // Weak boxes are left out before the suppression: they could only drop still weaker ones.
  let found = only(scored(pairs, boxes), (score) => (relative ? score >= limit : score > limit));
  if (relative) {
    const shares = relativeScores(found.scores);
    found = only(found, (_, i) => shares[i]! > 0);
  }
  found = atMost(distinct(found, nmsIou, false), options.topK);
  return {
    ...found,
    boxes: toPixels(found.boxes, map),
    scores: relative ? relativeScores(found.scores) : found.scores,
  };
}

/** A threshold as scores are compared with it. */
function limitOf(threshold: number): number {
  const good = typeof threshold === "number" && threshold >= 0 && threshold <= 1;
  if (good) return Math.fround(threshold);
  throw invalidArgument("threshold", "a number from 0 to 1", threshold);
}

function checkRows(logits: Float32Array, queries: number): void {
  if (Number.isSafeInteger(queries) && queries > 0 && logits.length % queries === 0) return;
  throw invalidArgument("the queries", `a divisor of ${logits.length} logits`, queries);
}

/** The pairs as detections whose boxes are corners in the model's frame. */
function scored({ logits, queries, patches: given }: Pairs, boxes: Float32Array): Detections {
  const patches = given ?? queries.map((_, i) => i);
  const corners = toCorners(boxes);
  return {
    boxes: gathered(corners, patches),
    scores: logits.map(sigmoid),
    queries,
    patches,
  };
}

/** Boxes at those places, in that order. */
function gathered(boxes: Float32Array, places: Int32Array): Float32Array {
  const found = new Float32Array(places.length * 4);
  for (const [i, place] of places.entries()) {
    found.set(boxes.subarray(4 * place, 4 * place + 4), 4 * i);
  }
  return found;
}

/** The detections at those places, in that order. */
function pick({ boxes, scores, queries, patches }: Detections, places: Int32Array): Detections {
  return {
    boxes: gathered(boxes, places),
    scores: Float32Array.from(places, (i) => scores[i]!),
    queries: places.map((i) => queries[i]!),
    patches: places.map((i) => patches[i]!),
  };
}

/** The detections that `keeps` accepts, in their order. */
function only(found: Detections, keeps: (score: number, i: number) => boolean): Detections {
  const places = found.queries.map((_, i) => i).filter((i) => keeps(found.scores[i]!, i));
  return pick(found, places);
}

/** The detections without those that overlap a better one, in their order. */
function distinct(found: Detections, iou: number, perQuery: boolean): Detections {
  const { boxes, scores, queries } = found;
  return pick(found, nms(boxes, scores, iou, perQuery ? queries : undefined).sort());
}

/** The `most` best, best first; all as they are where it is not said how many. */
function atMost(found: Detections, most: number | undefined): Detections {
  return most === undefined ? found : pick(found, topK(found.scores, most));
}
