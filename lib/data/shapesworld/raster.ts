/** Polygons to pixels, with the exact share of each pixel that they cover. */
import type { Contour } from "./outlines.js";

/** The part of a picture that a polygon lies in, and how much of each pixel it covers. */
export interface Coverage {
  left: number;
  top: number;
  width: number;
  height: number;
  /** 0 to 255 for each pixel, row by row. Holds until the next polygon. */
  data: Uint8Array;
}

/** From this coverage on, half, a pixel counts as the object's. */
export const COVERED = 128;

/**
 * Fills polygons. Each edge adds, to the pixels of the rows that it crosses, by how much the area
 * on its right grows from pixel to pixel; summed along a row that gives the area inside.
 */
export class Raster {
  readonly #sums: Float64Array;
  readonly #coverage: Uint8Array;
  readonly #window: Coverage;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    // Two columns more: an edge at the right border adds beyond it.
    this.#sums = new Float64Array((width + 2) * height);
    this.#coverage = new Uint8Array(width * height);
    this.#window = { left: 0, top: 0, width: 0, height: 0, data: this.#coverage };
  }

  /**
   * Fills contours, in pixels, of which those that run the other way round are holes. They lie
   * within the picture, but for what rounding adds.
   */
  fill(contours: readonly Contour[]): Coverage {
    const window = this.#windowOf(contours[0]!);
    this.#sums.fill(0, 0, (window.width + 2) * window.height);
    for (const contour of contours) {
      let [x, y] = [contour.at(-2)!, contour.at(-1)!];
      for (let at = 0; at < contour.length; at += 2) {
        const [nextX, nextY] = [contour[at]!, contour[at + 1]!];
        this.#edge(x, y, nextX, nextY);
        x = nextX;
        y = nextY;
      }
    }
    this.#sumUp();
    return window;
  }

  /** Sets the window to the pixels that the outermost contour touches. */
  #windowOf(contour: Contour): Coverage {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < contour.length; at += 2) {
      const [x, y] = [contour[at]!, contour[at + 1]!];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
    const window = this.#window;
    window.left = Math.min(this.width, Math.max(0, Math.floor(left)));
    window.top = Math.min(this.height, Math.max(0, Math.floor(top)));
    window.width = Math.max(0, Math.min(this.width, Math.ceil(right)) - window.left);
    window.height = Math.max(0, Math.min(this.height, Math.ceil(bottom)) - window.top);
    return window;
  }

  /** Adds an edge, row by row. */
  #edge(fromX: number, fromY: number, toX: number, toY: number): void {
    if (fromY === toY) return;
    const { left, top, width, height } = this.#window;
    const slope = (toX - fromX) / (toY - fromY);
    const direction = fromY < toY ? -1 : 1;
    const [upper, lower] = direction < 0 ? [fromY, toY] : [toY, fromY];
    const last = Math.min(top + height, Math.ceil(lower));
    for (let row = Math.max(top, Math.floor(upper)); row < last; row += 1) {
      const start = Math.max(row, upper);
      const end = Math.min(row + 1, lower);
      const a = fromX + (start - fromY) * slope - left;
      const b = fromX + (end - fromY) * slope - left;
      const near = Math.min(Math.max(Math.min(a, b), 0), width);
      const far = Math.min(Math.max(a, b, 0), width);
      this.#piece((row - top) * (width + 2), near, far, (end - start) * direction);
    }
  }

  /** Adds the piece of an edge within one row, from `near` to `far` along it. */
  #piece(start: number, near: number, far: number, height: number): void {
    const sums = this.#sums;
    const double = 2 * (far - near);
    const middle = (near + far) / 2;
    let area = 0;
    let share = 0;
    for (let column = Math.floor(near); ; column += 1) {
      // The mean, over the piece, of how far the pixel's right border lies to the right of it.
      const border = column + 1;
      const past = border - near;
      const beyond = border >= far ? border - middle : (past * past) / double;
      sums[start + column] = sums[start + column]! + height * (beyond - area - share);
      share = beyond - area;
      area = beyond;
      if (column >= far) return;
    }
  }

  #sumUp(): void {
    const { width, height } = this.#window;
    const sums = this.#sums;
    for (let row = 0, to = 0; row < height; row += 1) {
      let sum = 0;
      const start = row * (width + 2);
      for (let at = start; at < start + width; at += 1, to += 1) {
        sum += sums[at]!;
        this.#coverage[to] = sum >= 1 ? 255 : sum <= 0 ? 0 : (sum * 255 + 0.5) | 0;
      }
    }
  }
}
