/** Which shape an object has, by drawings of each at its place and of its size. */
import { type Contour, outlineOf } from "../../data/shapesworld/outlines.js";
import { Raster } from "../../data/shapesworld/raster.js";
import type { Shape } from "../../data/shapesworld/vocabulary.js";
import type { ClipPixels } from "./matte.js";
import type { Seen } from "./motion.js";

/** Turns that drawings are tried at: objects lie within a twenty-fourth of upright. */
const TURNS = [-1, -0.5, 0, 0.5, 1].map((part) => part / 24);
/** Frames that are looked at, those where the object is largest. */
const LOOKED_AT = 4;

/** A shape of area 1 about its middle. */
function normalised(shape: Shape): Contour {
  const contour = outlineOf(shape);
  let [double, x, y] = [0, 0, 0];
  for (let at = 0; at < contour.length; at += 2) {
    const [x0, y0] = [contour[at]!, contour[at + 1]!];
    const next = (at + 2) % contour.length;
    const [x1, y1] = [contour[next]!, contour[next + 1]!];
    const cross = x0 * y1 - x1 * y0;
    double += cross;
    x += (x0 + x1) * cross;
    y += (y0 + y1) * cross;
  }
  const [middleX, middleY] = [x / (3 * double), y / (3 * double)];
  const side = Math.sqrt(Math.abs(double) / 2);
  return contour.map((value, at) => (value - (at % 2 === 0 ? middleX : middleY)) / side);
}

/** Compares what is seen with drawings. */
export class ShapeJudge {
  readonly #raster: Raster;
  readonly #outlines: ReadonlyMap<Shape, Contour>;

  constructor(
    shapes: readonly Shape[],
    readonly size: Pick<ClipPixels, "height" | "width">,
  ) {
    this.#raster = new Raster(size.width, size.height);
    this.#outlines = new Map(shapes.map((shape) => [shape, normalised(shape)]));
  }

  /** For each shape, how much of the object its best drawing misses or adds: 0 nothing. */
  errors(alpha: Float64Array, seen: readonly Seen[]): Map<Shape, number> {
    const largest = [...seen.entries()].sort(([, a], [, b]) => b.mass - a.mass).slice(0, LOOKED_AT);
    const area = this.size.height * this.size.width;
    const views = largest.filter(([, { mass }]) => mass > 0);
    return new Map(
      [...this.#outlines].map(([shape, outline]) => {
        const errors = TURNS.map((turn) => {
          const sums = views.map(([frame, one]) => {
            const own = alpha.subarray(frame * area, (frame + 1) * area);
            return this.#error(own, one, outline, turn);
          });
          return sums.reduce((sum, error) => sum + error, 0) / Math.max(1, views.length);
        });
        return [shape, views.length > 0 ? Math.min(...errors) : 1];
      }),
    );
  }

  #error(alpha: Float64Array, { mass, x, y }: Seen, outline: Contour, turn: number): number {
    const side = Math.sqrt(mass);
    const [a, b] = [Math.cos(2 * Math.PI * turn) * side, Math.sin(2 * Math.PI * turn) * side];
    const posed = new Float64Array(outline.length);
    for (let at = 0; at < outline.length; at += 2) {
      const [u, v] = [outline[at]!, outline[at + 1]!];
      posed[at] = x + a * u - b * v;
      posed[at + 1] = y + b * u + a * v;
    }
    const { left, top, width, height, data } = this.#raster.fill([posed]);
    let [squares, inside, off] = [0, 0, 0];
    for (const share of alpha) squares += share * share;
    for (let row = 0, from = 0; row < height; row += 1) {
      const start = (top + row) * this.size.width + left;
      for (let at = start; at < start + width; at += 1, from += 1) {
        const share = alpha[at]!;
        inside += share * share;
        off += (share - data[from]! / 255) ** 2;
      }
    }
    return (off + squares - inside) / squares;
  }
}
