/** What is measured, as COCO defines it and LVIS took over. */

/** How much of each other a detection and an object must cover. */
export const IOU_THRESHOLDS = evenlySpaced(0.5, 0.95, 10);

/** Places of {@link IOU_THRESHOLDS} that have scores of their own. */
export const IOU_50 = 0;
export const IOU_75 = 5;

/** Shares of the objects found at which precision is read. */
export const RECALL_POINTS = evenlySpaced(0, 1, 101);

/** Least and largest area in square pixels, both included. */
export type AreaRange = readonly [least: number, largest: number];

export const AREA_RANGES = {
  all: [0, 1e10],
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
} as const satisfies Record<string, AreaRange>;

/**
 * As NumPy's `linspace`, to the last bit: whether a recall such as 7/20 reaches its point is a
 * matter of rounding.
 */
function evenlySpaced(first: number, last: number, count: number): readonly number[] {
  const step = (last - first) / (count - 1);
  return Array.from({ length: count }, (_, index) => index * step + first);
}
