/** Patterns of surfaces. Each belongs to one shape, so that it can speak for or against it. */
import { wave } from "./grounds.js";
import type { Shape } from "./vocabulary.js";

/** How light a surface is at a place, in radii of the object: above 0 light, below 0 dark. */
type Pattern = (x: number, y: number) => number;

/** Periods in a radius. */
const DENSITY = 1.6;

const PATTERNS: Readonly<Record<Shape, Pattern>> = {
  // Dots.
  circle: (x, y) => {
    const [across, upright] = [x - Math.floor(x) - 0.5, y - Math.floor(y) - 0.5];
    return 0.36 - Math.sqrt(across * across + upright * upright);
  },
  // Checks.
  square: (x, y) => wave(x) * wave(y),
  // Zigzags.
  triangle: (x, y) => wave(y + 0.3 * wave(x)),
  // Rising lines.
  star: (x, y) => wave((x + y) * Math.SQRT1_2),
  // Upright lines.
  plus: (x) => wave(x),
  // Level lines.
  bar: (_, y) => wave(y),
  // Rings.
  heart: (x, y) => wave(Math.sqrt(x * x + y * y)),
  // Falling lines.
  arrow: (x, y) => wave((x - y) * Math.SQRT1_2),
  // A grid of thin lines.
  pentagon: (x, y) => 0.4 - Math.max(wave(x), wave(y)),
  // Checks that stand on their corners.
  semicircle: (x, y) => wave((x + y) * Math.SQRT1_2) * wave((x - y) * Math.SQRT1_2),
};

/**
 * How light a surface with the pattern of a shape is, 0 to 1.
 *
 * @param pixel - a pixel's side in radii, over which edges are spread
 */
export function lightness(shape: Shape, x: number, y: number, pixel: number): number {
  const value = PATTERNS[shape](x * DENSITY, y * DENSITY);
  return Math.min(1, Math.max(0, 0.5 + value / (4 * DENSITY * pixel)));
}
