/** Axes: how far they reach, where numbers stand on them, and what is written there. */
import { invalidArgument } from "../core/errors.js";
import type { Axis } from "./types.js";

/** An axis over a span of pixels. */
export interface Scale {
  /** The values at its ends. */
  readonly low: number;
  readonly high: number;
  /** Values that are marked, from low to high. */
  readonly ticks: readonly number[];
  /** Where a value lies, in pixels; NaN for what has no place. */
  at(value: number): number;
}

/** Multiples of powers of ten that are easy to read. */
const NICE = [1, 2, 5, 10];

/** Shares of an axis that are left free beyond its values. */
const MARGIN = 0.04;

/** Numbers from which on, and down to which, they are written with an exponent. */
const [LARGE, SMALL] = [1e7, 1e-4];

/**
 * The scale of an axis over the pixels from `from` to `to`, with about `count` ticks. `values` are
 * those that should be seen; `margin` leaves some room about them.
 */
export function scaleOf(
  axis: Axis,
  values: readonly number[],
  [from, to]: readonly [number, number],
  count: number,
  margin: boolean,
): Scale {
  const log = axis.scale === "log";
  const [low, high] = axis.range ? checked(axis) : reach(values, log, margin);
  const along = log ? Math.log10 : (value: number) => value;
  const [start, length] = [along(low), along(high) - along(low)];
  const at = (value: number) => {
    const place = along(value);
    return Number.isFinite(place) ? from + ((place - start) / length) * (to - from) : Number.NaN;
  };
  return { low, high, ticks: log ? logTicks(low, high, count) : ticks(low, high, count), at };
}

function checked({ range, scale, label }: Axis): readonly [number, number] {
  const [low, high] = range!;
  const good = Number.isFinite(low) && Number.isFinite(high) && low < high;
  if (good && (scale !== "log" || low > 0)) return range!;
  const expected = scale === "log" ? "0 < low < high" : "low < high";
  throw invalidArgument(`the range of ${label}`, expected, range);
}

/** From the least to the greatest value that has a place, and some room if they are one. */
function reach(values: readonly number[], log: boolean, margin: boolean): [number, number] {
  const placed = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (placed.length === 0) return log ? [0.1, 1] : [0, 1];
  const least = placed.reduce((least, value) => Math.min(least, value));
  const most = placed.reduce((most, value) => Math.max(most, value));
  if (log) {
    const room = least === most ? 2 : margin ? (most / least) ** MARGIN : 1;
    return [least / room, most * room];
  }
  const room = least === most ? Math.abs(least) / 2 || 0.5 : margin ? (most - least) * MARGIN : 0;
  return [least - room, most + room];
}

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  // Rather a few more than too few.
  const step = power * NICE.find((nice) => nice * power >= rough * 0.8)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Products with whole numbers, rounded: sums would drift.
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

/** Powers of ten; over less than two of them also twice and five times those. */
export function logTicks(low: number, high: number, count: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / Math.max(1, count)));
  const multiples = Math.log10(high / low) < 2 ? NICE.slice(0, -1) : [1];
  const marked: number[] = [];
  for (let power = first; power <= last; power += every) {
    for (const multiple of multiples) marked.push(Number(`${multiple}e${power}`));
  }
  const inside = marked.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  return inside.length >= 2 ? inside : ticks(low, high, count).filter((tick) => tick > 0);
}

/** A number as it stands at an axis. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= LARGE || size < SMALL)) {
    return value.toExponential().replace("e+", "e");
  }
  return value.toLocaleString("en-US", { maximumSignificantDigits: 12 });
}
