/** What is found in one picture, as users get it. */
import type { Steps } from "../../core/compose.js";
import { invalidArgument } from "../../core/errors.js";
import type { Module } from "../../core/module.js";
import { clipped, nms, sigmoid, toCorners, toPixels } from "./boxes.js";
import type { ImageEmbedding, Queries } from "./embeddings.js";
import type { OwlViTMethods } from "./methods.js";
import {
  bestPairs,
  bestQueries,
  betterPairs,
  type Detections,
  type ExampleOptions,
  exampleDetections,
  mergedPairs,
  type Pairs,
  type TextOptions,
  textDetections,
} from "./postprocessing.js";
import { scoresOf } from "./scores.js";

/** Corners [x0, y0, x1, y1] in pixels of the picture. */
export type Box = [x0: number, y0: number, x1: number, y1: number];

/** An object that fits a query. */
export interface Detection {
  /** May reach beyond the picture, unless `clip` was asked for. */
  box: Box;
  /** 0 … 1. */
  score: number;
  /** The query's place in the list. */
  query: number;
  /** What the query is called: its text. */
  label: string;
  /** The place of the box among all of the picture's. */
  patch: number;
  /** How much the box looks like any object, 0 … 1. OWLv2 only. */
  objectness?: number;
  /** There where the query's text was too long and its end was not read. */
  truncated?: true;
}

/** An object of whatever kind. */
export type Proposal = Pick<Detection, "box" | "score" | "patch">;

/** What is kept of all boxes. */
export interface SelectOptions extends TextOptions, ExampleOptions {
  /** Whether boxes are cut at the picture's edges. Default false. */
  clip?: boolean | undefined;
  /**
   * Whether a box may be found for several queries, as the models are evaluated; then `topK` is 300
   * by default. Text queries only. Default false: each box is found for its best query alone.
   */
  multiLabel?: boolean | undefined;
}

/** Detections that `multiLabel` keeps where `topK` does not say, as in LVIS evaluation. */
const MULTI_LABEL = 300;

/** What fits the queries, best first. */
export async function detections(
  module: Module<OwlViTMethods>,
  image: ImageEmbedding,
  queries: Queries,
  options: SelectOptions,
  steps: Steps,
): Promise<Detection[]> {
  if (queries.shape[1] === 0) return [];
  const boxes = await numbersOf(image.tensors.pred_boxes);
  const found = await kept(module, image, queries, boxes, options, steps);
  const objectness = image.tensors.objectness_logits && (await objectnessOf(image));
  const corners = framed(found.boxes, image, options);
  return bestFirst(found.scores).map((i) => {
    const [query, patch] = [found.queries[i]!, found.patches[i]!];
    return {
      box: boxAt(corners, i),
      score: found.scores[i]!,
      query,
      label: queries.labels[query]!,
      patch,
      ...(objectness && { objectness: objectness[patch]! }),
      ...(queries.truncated[query] && { truncated: true as const }),
    };
  });
}

async function kept(
  module: Module<OwlViTMethods>,
  image: ImageEmbedding,
  queries: Queries,
  boxes: Float32Array,
  options: SelectOptions,
  steps: Steps,
): Promise<Detections> {
  const scores = scoresOf(module, image, queries, steps);
  if (queries.kind === "example") {
    return exampleDetections(await bestOf(scores), boxes, image.scale, options);
  }
  if (!options.multiLabel) return textDetections(await bestOf(scores), boxes, image.scale, options);
  const most = options.topK ?? MULTI_LABEL;
  const parts: Required<Pairs>[] = [];
  for await (const { first, count, logits } of scores) {
    parts.push(bestPairs(logits, count, most, first));
  }
  return textDetections(mergedPairs(parts, most), boxes, image.scale, options);
}

/** Each patch with its best query. */
async function bestOf(scores: ReturnType<typeof scoresOf>): Promise<Pairs> {
  let best: Pairs | undefined;
  for await (const { first, count, logits } of scores) {
    const part = bestQueries(logits, count, first);
    best = best ? betterPairs(best, part) : part;
  }
  return best!;
}

/** How boxes are proposed. */
export interface ProposeOptions {
  /** At most so many. Default 100. */
  topK?: number | undefined;
  /** Scores must be above it. Default 0. */
  minObjectness?: number | undefined;
  /** IoU above which the worse of two boxes is dropped. Default: none is. */
  nmsIou?: number | undefined;
  /** Whether boxes are cut at the picture's edges. Default false. */
  clip?: boolean | undefined;
}

/** The boxes that look most like objects, best first. Throws `UNSUPPORTED` for OWL-ViT. */
export async function proposals(
  image: ImageEmbedding,
  options: ProposeOptions,
): Promise<Proposal[]> {
  const { topK: most = 100, minObjectness = 0, nmsIou } = options;
  if (!(Number.isSafeInteger(most) && most > 0)) {
    throw invalidArgument("topK", "a positive integer", most);
  }
  if (!(typeof minObjectness === "number" && minObjectness >= 0 && minObjectness <= 1)) {
    throw invalidArgument("minObjectness", "a number from 0 to 1", minObjectness);
  }
  const scores = await objectnessOf(image);
  const corners = toCorners(await numbersOf(image.tensors.pred_boxes));
  const order = nmsIou === undefined ? bestFirst(scores) : [...nms(corners, scores, nmsIou)];
  const pixels = framed(toPixels(corners, image.scale), image, options);
  return order
    .filter((patch) => scores[patch]! > minObjectness)
    .slice(0, most)
    .map((patch) => ({ box: boxAt(pixels, patch), score: scores[patch]!, patch }));
}

/** How much each patch's box looks like an object. */
async function objectnessOf(image: ImageEmbedding): Promise<Float32Array> {
  return (await numbersOf(image.objectness)).map(sigmoid);
}

/** Places by their scores; of equal scores the first goes first. */
function bestFirst(scores: Float32Array): number[] {
  return [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
}

function framed(
  corners: Float32Array,
  { size }: ImageEmbedding,
  options: { clip?: boolean | undefined },
) {
  return options.clip ? clipped(corners, size.width, size.height) : corners;
}

const boxAt = (corners: Float32Array, place: number) =>
  [...corners.subarray(4 * place, 4 * place + 4)] as Box;

async function numbersOf(tensor: ImageEmbedding["tensors"]["pred_boxes"]): Promise<Float32Array> {
  using plain = tensor.to("float32");
  return await plain.data();
}
