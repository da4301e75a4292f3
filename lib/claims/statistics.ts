/** What a few repeats of an experiment tell. */

/** A mean with the interval that holds the true one in 95 % of experiments. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/** Student's t at 97.5 %, by degrees of freedom from 1. */
const T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
const NORMAL = 1.96;

/** Of independent repeats, by Student's t; from minus to plus infinity where there is only one. */
export function interval(values: readonly number[]): Interval {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const reach = (T[n - 2] ?? NORMAL) * Math.sqrt(squares / (n - 1) / n);
  return { mean, low: mean - reach, high: mean + reach };
}

/** The slope of the line of least squares through the points. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  const along = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0);
  return along / points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
}
