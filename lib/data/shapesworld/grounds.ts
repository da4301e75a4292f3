/** Grounds: what lies behind the objects. All are darker and greyer than any object. */
import type { Random } from "./random.js";
import { onCircle } from "./turns.js";
import type { Background } from "./vocabulary.js";

type Rgb = readonly [red: number, green: number, blue: number];

const PATTERNS = ["stripes", "checks", "grain"] as const;

export interface Ground {
  readonly background: Background;
  readonly from: Rgb;
  readonly to: Rgb;
  /** The direction of a gradient or of stripes. */
  readonly direction: readonly [x: number, y: number];
  readonly pattern: (typeof PATTERNS)[number];
  /** A period of the pattern, in short sides of the picture. */
  readonly period: number;
  /** Levels of a grain, for cells that repeat. */
  readonly grain: Uint8Array;
}

/** Brightness of grounds, and by how much the two ends of one differ. */
const LEVELS = [15, 60] as const;
const CONTRAST = 30;
const TINT = 8;
/** Cells of a grain on each side before it repeats. */
const CELLS = 32;

export function drawGround(random: Random, backgrounds: readonly Background[]): Ground {
  const background = random.pick(backgrounds);
  const level = random.between(...LEVELS);
  const tinted = (base: number): Rgb => [
    base + random.between(0, TINT),
    base + random.between(0, TINT),
    base + random.between(0, TINT),
  ];
  return {
    background,
    from: tinted(level),
    to: tinted(level + CONTRAST),
    direction: onCircle(random.real(0, 1)),
    pattern: random.pick(PATTERNS),
    period: random.real(0.08, 0.25),
    grain: Uint8Array.from({ length: background === "textured" ? CELLS * CELLS : 0 }, () => {
      return random.below(256);
    }),
  };
}

/** The ground's pixels: red, green and blue of each, row by row. */
export function paintGround(ground: Ground, width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  const unit = Math.min(width, height);
  const share = shareOf(ground, width / unit, height / unit, 1 / unit);
  for (let row = 0, at = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const part = share((column + 0.5) / unit, (row + 0.5) / unit);
      for (let channel = 0; channel < 3; channel += 1, at += 1) {
        const [from, to] = [ground.from[channel]!, ground.to[channel]!];
        pixels[at] = Math.floor(from + (to - from) * part + 0.5);
      }
    }
  }
  return pixels;
}

/** How much of the second colour a place has, 0 to 1. */
function shareOf(
  { background, direction: [dx, dy], pattern, period, grain }: Ground,
  width: number,
  height: number,
  pixel: number,
): (x: number, y: number) => number {
  if (background === "plain") return () => 0;
  if (background === "gradient") {
    const reach = (Math.abs(dx) * width + Math.abs(dy) * height) / 2;
    return (x, y) => 0.5 + ((x - width / 2) * dx + (y - height / 2) * dy) / (2 * reach);
  }
  // As steep as a pixel is wide: edges of patterns are smooth.
  const steep = period / (4 * pixel);
  const step = (value: number) => Math.min(1, Math.max(0, 0.5 + value * steep));
  if (pattern === "stripes") return (x, y) => step(wave((x * dx + y * dy) / period));
  if (pattern === "checks") {
    return (x, y) => {
      const across = step(wave(x / period));
      const upright = step(wave(y / period));
      return across + upright - 2 * across * upright;
    };
  }
  const cell = (value: number) => Math.floor((value * 2) / period) % CELLS;
  return (x, y) => grain[cell(y) * CELLS + cell(x)]! / 255;
}

/** A wave of straight lines between -1 and 1, of period 1. */
export function wave(x: number): number {
  return 1 - 4 * Math.abs(x - Math.floor(x) - 0.5);
}
