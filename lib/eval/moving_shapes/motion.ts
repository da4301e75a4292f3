/** What an object does, by the path of its middle and by its area. */
import type { Motion } from "../../data/shapesworld/vocabulary.js";
import type { ClipPixels } from "./matte.js";

/** An object in one frame, in pixels. */
export interface Seen {
  /** Area. */
  mass: number;
  /** Its middle, from the upper left corner of the picture. */
  x: number;
  y: number;
}

/** Motions that the path of the middle and the area tell. */
export type PlainMotion = Extract<
  Motion,
  "still" | "left" | "right" | "up" | "down" | "grow" | "shrink" | "blink"
>;

/** How far an object comes from the first frame to the last; `off` is the share without it. */
export type Course = readonly [across: number, down: number, grown: number, off: number];

/** Typical courses, in units of {@link SCALES}. */
export const COURSES: Readonly<Record<PlainMotion, Course>> = {
  still: [0, 0, 0, 0],
  left: [-1, 0, 0, 0],
  right: [1, 0, 0, 0],
  up: [0, -1, 0, 0],
  down: [0, 1, 0, 0],
  grow: [0, 0, 1, 0],
  shrink: [0, 0, -1, 0],
  blink: [0, 0, 0, 1],
};

/** Shapes World's: short sides of the picture, logarithm of the area, share of the frames. */
const SCALES: Course = [0.35, 0.35, 1.1, 0.5];
/** Of the largest area: with less, an object is not there. */
const GONE = 0.15;

/** The object in each frame, by the shares of pixels that it covers. */
export function seenIn(alpha: Float64Array, { frames, height, width }: ClipPixels): Seen[] {
  return Array.from({ length: frames }, (_, frame) => {
    let [mass, x, y] = [0, 0, 0];
    for (let row = 0, at = frame * height * width; row < height; row += 1) {
      for (let column = 0; column < width; column += 1, at += 1) {
        const share = alpha[at]!;
        mass += share;
        x += share * (column + 0.5);
        y += share * (row + 0.5);
      }
    }
    return mass > 0 ? { mass, x: x / mass, y: y / mass } : { mass, x: 0, y: 0 };
  });
}

/** The course of an object, from straight lines through what is seen of it. */
export function courseOf(seen: readonly Seen[], { height, width }: ClipPixels): Course {
  const unit = Math.min(height, width);
  const largest = Math.max(...seen.map(({ mass }) => mass));
  const there = seen.flatMap((one, time) => (one.mass > GONE * largest ? [{ ...one, time }] : []));
  const last = Math.max(1, seen.length - 1);
  const rise = (value: (one: Seen) => number) => {
    const [time, middle] = [(one: { time: number }) => one.time / last, value];
    const count = Math.max(1, there.length);
    const meanTime = there.reduce((sum, one) => sum + time(one), 0) / count;
    const mean = there.reduce((sum, one) => sum + middle(one), 0) / count;
    let [products, squares] = [0, 0];
    for (const one of there) {
      products += (time(one) - meanTime) * (middle(one) - mean);
      squares += (time(one) - meanTime) ** 2;
    }
    return squares > 0 ? products / squares : 0;
  };
  return [
    rise(({ x }) => x / unit) / SCALES[0],
    rise(({ y }) => y / unit) / SCALES[1],
    rise(({ mass }) => Math.log(mass)) / SCALES[2],
    (seen.length - there.length) / seen.length / SCALES[3],
  ];
}

/** The square of how far two courses lie apart. */
export function apart(one: Course, other: Course): number {
  return one.reduce((sum, value, axis) => sum + (value - other[axis]!) ** 2, 0);
}
