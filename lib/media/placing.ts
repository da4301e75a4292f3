/** Where the plates with labels go. */
import type { Rectangle } from "./canvas.js";

/** Finds places for plates within a picture, each away from those before it where it can be. */
export class Placer {
  readonly #width: number;
  readonly #height: number;
  readonly #taken: Rectangle[] = [];

  constructor({ width, height }: { width: number; height: number }) {
    this.#width = width;
    this.#height = height;
  }

  /**
   * The place of a plate of `width` x `height` pixels for what `outline` frames: above it where
   * there is room, else inside its top, below it, or inside its bottom; at its left edge, else at
   * its right. Where all of these cover another plate, the one that covers least.
   */
  place(outline: Rectangle, width: number, height: number): Rectangle {
    const { left, top, right, bottom } = outline;
    let best: Rectangle | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const y of [top - height, top, bottom, bottom - height]) {
      if (y < 0 || y + height > this.#height) continue;
      for (const x of [left, right - width]) {
        const plate = this.#at(x, y, width, height);
        const covered = this.#covered(plate);
        if (covered >= least) continue;
        [best, least] = [plate, covered];
      }
    }
    // A picture lower than a plate shows the plate's upper part.
    best ??= this.#at(left, 0, width, height);
    this.#taken.push(best);
    return best;
  }

  /** Moved sideways into the picture. */
  #at(x: number, y: number, width: number, height: number): Rectangle {
    const left = Math.max(0, Math.min(x, this.#width - width));
    return { left, top: y, right: left + width, bottom: y + height };
  }

  #covered(plate: Rectangle): number {
    return this.#taken.reduce((sum, other) => sum + overlap(plate, other), 0);
  }
}

/** Pixels that two rectangles share. */
function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return Math.max(0, width) * Math.max(0, height);
}
