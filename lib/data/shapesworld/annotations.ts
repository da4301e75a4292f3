import type { Box } from "./drawn.js";
import type { Question } from "./questions.js";
import type { RelationSpan, ShapesObject } from "./tracks.js";
import type { Background } from "./vocabulary.js";

/** How many objects there are, in all, of each shape and of each colour that comes. */
export interface Counts {
  objects: number;
  shape: Record<string, number>;
  color: Record<string, number>;
}

/** An object with labels in keyframes only: in other frames, all three are null. */
export interface AnnotatedObject
  extends Omit<ShapesObject, "boxes" | "amodalBoxes" | "visibility"> {
  boxes: (Box | null)[];
  amodalBoxes: (Box | null)[];
  visibility: (number | null)[];
}

/** All that is known of a clip, as one document. */
export interface ShapesAnnotations {
  seed: number;
  index: number;
  width: number;
  height: number;
  fps: number;
  frames: number;
  background: Background;
  captions: string[];
  objects: AnnotatedObject[];
  relations: RelationSpan[];
  counts: Counts;
  questions: Question[];
  /** The frames that have labels. */
  keyframes: number[];
}

export function countsOf(objects: readonly ShapesObject[]): Counts {
  const counts: Counts = { objects: objects.length, shape: {}, color: {} };
  for (const { shape, color } of objects) {
    counts.shape[shape] = (counts.shape[shape] ?? 0) + 1;
    counts.color[color] = (counts.color[color] ?? 0) + 1;
  }
  return counts;
}

/** An object without the labels of frames that are no keyframes. */
export function annotated(object: ShapesObject, keyframes: readonly number[]): AnnotatedObject {
  const labelled = new Set(keyframes);
  const sparse = <T>(values: readonly T[]) => {
    return values.map((value, frame) => (labelled.has(frame) ? value : null));
  };
  const { boxes, amodalBoxes, visibility, ...rest } = object;
  return {
    ...rest,
    boxes: sparse(boxes),
    amodalBoxes: sparse(amodalBoxes),
    visibility: sparse(visibility),
  };
}
