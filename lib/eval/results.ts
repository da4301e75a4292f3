/** Detections in the form in which COCO and LVIS are scored. */
import { invalidArgument } from "../core/errors.js";
import { bestOf } from "./best.js";
import type { CocoResult } from "./coco.js";

/** How many detections of one picture the benchmarks score. */
export const MAX_DETECTIONS = { coco: 100, lvis: 300 } as const;

/** What was detected in one picture. */
export interface ImageDetections {
  /** The picture's id in the annotation file. */
  imageId: number;
  /** Pixels of the picture. */
  width: number;
  height: number;
  detections: readonly {
    /** `[x0, y0, x1, y1]` in pixels of the picture; it may reach beyond the edges. */
    box: readonly number[];
    score: number;
    /** Index of the query that matched best. */
    query: number;
  }[];
}

/** How detections become results. */
export interface ResultOptions {
  /**
   * Category id by query index, from index 0 on. Queries may share a category; detections of a
   * query with `null`, such as a background prompt, are left out.
   */
  categoryIds: readonly (number | null)[];
  /** How many detections of a picture are kept, best first: see {@link MAX_DETECTIONS}. */
  maxDetections: number;
}

/**
 * Detections as COCO's list of results. Boxes are clipped to the picture; one that lies wholly
 * outside stays, as a box of no area at the edge, because it is a mistake that counts.
 *
 * For figures that compare with published ones, detect with the prompt ensemble, with several
 * labels per box, and with a threshold so low that `maxDetections` does the cutting. Throws
 * `BAD_INPUT`.
 *
 * @example
 * ```ts
 * const categoryIds = dataset.categories.map((category) => category.id);
 * const results = toCocoResults(detected, { categoryIds, maxDetections: MAX_DETECTIONS.lvis });
 * await writeCocoResults("results.json", results);
 * ```
 */
export function toCocoResults(
  images: Iterable<ImageDetections>,
  options: ResultOptions,
): CocoResult[] {
  const { categoryIds, maxDetections } = options;
  if (!Number.isSafeInteger(maxDetections) || maxDetections < 1) {
    throw invalidArgument("maxDetections", "an integer of at least 1", maxDetections);
  }
  return [...images].flatMap((image) => {
    checkSize(image);
    const results: CocoResult[] = [];
    for (const { box, score, query } of image.detections) {
      const category_id = categoryIds[query];
      if (category_id === undefined) {
        throw invalidArgument("query", `an index into ${categoryIds.length} categoryIds`, query);
      }
      if (!Number.isFinite(score)) throw invalidArgument("score", "a number", score);
      if (category_id === null) continue;
      results.push({ image_id: image.imageId, category_id, bbox: clip(box, image), score });
    }
    return bestOf(results, maxDetections);
  });
}

function checkSize({ imageId, width, height }: ImageDetections): void {
  if (!Number.isSafeInteger(imageId)) throw invalidArgument("imageId", "an integer", imageId);
  for (const [name, side] of Object.entries({ width, height })) {
    if (!(side > 0 && Number.isFinite(side))) {
      throw invalidArgument(`${name} of image ${imageId}`, "a number of pixels", side);
    }
  }
}

function clip(
  box: readonly number[],
  { width, height }: ImageDetections,
): [x: number, y: number, width: number, height: number] {
  const [x0, y0, x1, y1] = box as [number, number, number, number];
  if (box.length !== 4 || !box.every(Number.isFinite) || x1 < x0 || y1 < y0) {
    throw invalidArgument("box", "[x0, y0, x1, y1] with x0 <= x1 and y0 <= y1", box);
  }
  const within = (value: number, side: number): number => Math.min(Math.max(value, 0), side);
  const [x, y] = [within(x0, width), within(y0, height)];
  return [x, y, within(x1, width) - x, within(y1, height) - y];
}
