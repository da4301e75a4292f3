/** What tests of Shapes World share. */
import { createHash } from "node:crypto";
import type { Motion, ShapesClip, ShapesObject } from "../../lib/data/shapesworld/index.js";
import { ShapesWorld, type ShapesWorldOptions } from "../../lib/data/shapesworld/index.js";

/** The first clips of a world. */
export function clipsOf(count: number, options: ShapesWorldOptions = {}): ShapesClip[] {
  return [...new ShapesWorld(options).clips({ count })];
}

/** The first hexadecimal digits of SHA-256. */
export function digest(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}

/** The frames of a clip during which each action of an object goes on. */
export function framesOf(
  clip: ShapesClip,
  object: ShapesObject,
): { motion: Motion; frames: number[] }[] {
  return object.actions.map(({ name, start, end }) => {
    const frames = Array.from({ length: clip.frames }, (_, frame) => frame).filter((frame) => {
      const time = frame / clip.fps;
      return time >= start - 1e-9 && time < end - 1e-9;
    });
    return { motion: name, frames };
  });
}

/** The middle, the width and the height of the box about all of an object. */
export function placeOf(object: ShapesObject, frame: number) {
  const [x0, y0, x1, y1] = object.amodalBoxes[frame]!;
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, width: x1 - x0, height: y1 - y0 };
}

/**
 * Pearson's statistic of counts against expected ones. The value that it exceeds once in a thousand
 * times is 10.8, 18.5, 22.5, 27.9 for 1, 4, 6, 9 degrees of freedom.
 */
export function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, at) => sum + (count - expected[at]!) ** 2 / expected[at]!, 0);
}
