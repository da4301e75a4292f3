/** Objects of a scene as polygons in pixels. */
import { type Contour, holeOf, outlineOf } from "./outlines.js";
import type { Scene, SceneObject } from "./scene.js";
import { onCircle } from "./turns.js";

/** A box in pixels. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** An object's pose in a frame, in pixels. */
export interface PixelPose {
  x: number;
  y: number;
  radius: number;
  cosine: number;
  sine: number;
}

/** Draws the contours of one object; those of a frame hold until the next. */
export class Drawn {
  readonly #contours: readonly Contour[];
  readonly #posed: readonly Contour[];

  constructor(
    readonly object: SceneObject,
    readonly unit: number,
  ) {
    const { shape, fill, radius } = object;
    const pixel = 1 / (radius * unit);
    this.#contours =
      fill === "filled" ? [outlineOf(shape)] : [outlineOf(shape), holeOf(shape, pixel)];
    this.#posed = this.#contours.map((contour) => new Float64Array(contour.length));
  }

  pose(frame: number): PixelPose {
    const { path, radius } = this.object;
    const [cosine, sine] = onCircle(path.turn[frame]!);
    return {
      x: path.x[frame]! * this.unit,
      y: path.y[frame]! * this.unit,
      radius: radius * path.scale[frame]! * this.unit,
      cosine,
      sine,
    };
  }

  /** The outline and, where there is one, the hole. */
  contours(frame: number): readonly Contour[] {
    const { x, y, radius, cosine, sine } = this.pose(frame);
    const [a, b] = [cosine * radius, sine * radius];
    for (const [which, contour] of this.#contours.entries()) {
      const posed = this.#posed[which]!;
      for (let at = 0; at < contour.length; at += 2) {
        const [u, v] = [contour[at]!, contour[at + 1]!];
        posed[at] = x + a * u - b * v;
        posed[at + 1] = y + b * u + a * v;
      }
    }
    return this.#posed;
  }

  /** The box about the whole object, whether it is seen or not. */
  box(frame: number): Box {
    const outline = this.contours(frame)[0]!;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < outline.length; at += 2) {
      left = Math.min(left, outline[at]!);
      right = Math.max(right, outline[at]!);
      top = Math.min(top, outline[at + 1]!);
      bottom = Math.max(bottom, outline[at + 1]!);
    }
    return [left, top, right, bottom];
  }
}

/** The objects of a scene, those at the back first. */
export function drawnObjects({ objects, unit }: Scene): Drawn[] {
  return objects.map((object) => new Drawn(object, unit));
}
