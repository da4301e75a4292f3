/** Annotations and results, sorted into what is compared with what. */
import { bestOf } from "./best.js";
import type { CocoAnnotation, CocoBox, CocoResult } from "./coco.js";

/** All of one category in one picture: D detections, best first, and G objects. */
export interface Cell {
  /** [D] */
  scores: Float64Array;
  /** [D] Square pixels of the boxes. */
  detectionAreas: Float64Array;
  /** [G] Square pixels of the objects. */
  objectAreas: Float64Array;
  /** [G] Whether the object counts neither when found nor when missed. */
  ignored: readonly boolean[];
  /** [G] Whether the object is a crowd, which any number of detections may match. */
  crowd: readonly boolean[];
  /** [D, G] */
  overlaps: Float64Array;
  /** Whether detections without an object are left out of the count. */
  lenient: boolean;
}

/** How a benchmark reads the annotations of one category in one picture. */
export interface CellRules {
  /** How many detections count. */
  maxDetections: number;
  isCrowd(annotation: CocoAnnotation): boolean;
  isIgnored(annotation: CocoAnnotation): boolean;
  isLenient(imageId: number, categoryId: number): boolean;
}

interface Contents {
  annotations: CocoAnnotation[];
  results: CocoResult[];
}

/** The cells of every category that has any, in the order of the pictures' ids. */
export function cellsByCategory(
  annotations: readonly CocoAnnotation[],
  results: readonly CocoResult[],
  rules: CellRules,
): Map<number, Cell[]> {
  const categories = new Map<number, Map<number, Contents>>();
  const contentsOf = (row: CocoAnnotation | CocoResult): Contents => {
    const images = entry(categories, row.category_id, () => new Map<number, Contents>());
    return entry(images, row.image_id, () => ({ annotations: [], results: [] }));
  };
  for (const annotation of annotations) contentsOf(annotation).annotations.push(annotation);
  for (const result of results) contentsOf(result).results.push(result);
  // The order matters where scores are equal: pictures of lower ids rank first.
  const cells = ([id, images]: [number, Map<number, Contents>]): [number, Cell[]] => [
    id,
    [...images]
      .sort(([a], [b]) => a - b)
      .map(([image, contents]) => cell(contents, rules, rules.isLenient(image, id))),
  ];
  return new Map([...categories].map(cells));
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}

function cell({ annotations, results }: Contents, rules: CellRules, lenient: boolean): Cell {
  const detections = bestOf(results, rules.maxDetections);
  const crowd = annotations.map(rules.isCrowd);
  return {
    scores: Float64Array.from(detections, ({ score }) => score),
    detectionAreas: Float64Array.from(detections, boxArea),
    objectAreas: Float64Array.from(annotations, objectArea),
    ignored: annotations.map(rules.isIgnored),
    crowd,
    overlaps: overlapsOf(detections, annotations, crowd),
    lenient,
  };
}

/** Square pixels of a box. */
export function boxArea({ bbox: [, , width, height] }: { readonly bbox: CocoBox }): number {
  return width * height;
}

/** Square pixels of an object: of its mask where that is known. */
export function objectArea(annotation: CocoAnnotation): number {
  return annotation.area ?? boxArea(annotation);
}

/** [D, G] Overlap of every detection with every object. */
function overlapsOf(
  detections: readonly CocoResult[],
  annotations: readonly CocoAnnotation[],
  crowd: readonly boolean[],
): Float64Array {
  const overlaps = new Float64Array(detections.length * annotations.length);
  let place = 0;
  for (const { bbox } of detections) {
    for (const [index, annotation] of annotations.entries()) {
      overlaps[place++] = overlap(bbox, annotation.bbox, crowd[index] === true);
    }
  }
  return overlaps;
}

/** Intersection over union; over the detection alone where the object is a crowd. */
function overlap(detection: CocoBox, object: CocoBox, isCrowd: boolean): number {
  const [dx, dy, dw, dh] = detection;
  const [ox, oy, ow, oh] = object;
  const width = Math.min(dw + dx, ow + ox) - Math.max(dx, ox);
  if (width <= 0) return 0;
  const height = Math.min(dh + dy, oh + oy) - Math.max(dy, oy);
  if (height <= 0) return 0;
  const shared = width * height;
  const area = dw * dh;
  return shared / (isCrowd ? area : area + ow * oh - shared);
}
