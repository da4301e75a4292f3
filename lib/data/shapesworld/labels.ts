/** Which pixels show which object. */
import { type Box, drawnObjects } from "./drawn.js";
import { COVERED, Raster } from "./raster.js";
import type { Scene } from "./scene.js";

/** What a frame shows of each object, by id. */
export interface FrameLabels {
  /** Boxes about the pixels that are seen, in whole pixels; null where none is. */
  boxes: (Box | null)[];
  /** Pixels that are seen, of those that would be if nothing lay in front; 0 if there are none. */
  visibility: number[];
  /** For each object the ids of those of which it hides at least a pixel. */
  hides: number[][];
}

export class Labeller {
  readonly #raster: Raster;
  readonly #objects: ReturnType<typeof drawnObjects>;
  /** For each pixel which objects cover at least half of it: bit `id` for each. */
  readonly #covering: Uint16Array;

  constructor(readonly scene: Scene) {
    const { width, height } = scene;
    this.#raster = new Raster(width, height);
    this.#objects = drawnObjects(scene);
    this.#covering = new Uint16Array(width * height);
  }

  /** For each pixel 0, or 1 more than the id of the object that it shows. */
  segmentation(frame: number): Uint8Array {
    this.#cover(frame);
    // The object in front has the highest bit.
    return Uint8Array.from(this.#covering, (bits) => 32 - Math.clz32(bits));
  }

  labels(frame: number): FrameLabels {
    const windows = this.#cover(frame);
    const hides = windows.map(() => new Set<number>());
    const boxes: (Box | null)[] = [];
    const visibility: number[] = [];
    windows.forEach((window, id) => {
      let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
      let [seen, all] = [0, 0];
      for (let y = window.top; y < window.top + window.height; y += 1) {
        for (let x = window.left; x < window.left + window.width; x += 1) {
          const bits = this.#covering[y * this.scene.width + x]!;
          if ((bits & (1 << id)) === 0) continue;
          all += 1;
          for (let front = id + 1; bits >> front !== 0; front += 1) {
            if ((bits >> front) & 1) hides[front]!.add(id);
          }
          if (bits >> (id + 1) !== 0) continue;
          seen += 1;
          if (x < left) left = x;
          if (x > right) right = x;
          if (top === Infinity) top = y;
          bottom = y;
        }
      }
      boxes.push(seen === 0 ? null : [left, top, right + 1, bottom + 1]);
      visibility.push(all === 0 ? 0 : seen / all);
    });
    return { boxes, visibility, hides: hides.map((ids) => [...ids].sort((a, b) => a - b)) };
  }

  /** Notes which objects cover each pixel; gives where each lies. */
  #cover(frame: number): { left: number; top: number; width: number; height: number }[] {
    this.#covering.fill(0);
    return this.#objects.map((drawn, id) => {
      if (drawn.object.path.on[frame] === 0) return { left: 0, top: 0, width: 0, height: 0 };
      const { left, top, width, height, data } = this.#raster.fill(drawn.contours(frame));
      for (let row = 0, from = 0; row < height; row += 1) {
        let to = (top + row) * this.scene.width + left;
        for (let column = 0; column < width; column += 1, from += 1, to += 1) {
          if (data[from]! >= COVERED) this.#covering[to]! |= 1 << id;
        }
      }
      return { left, top, width, height };
    });
  }
}
