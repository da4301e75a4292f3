/**
 * Resizing as Pillow's `Image.resize` does: a filter that widens when it shrinks, columns first,
 * the levels rounded to 8 bits after each axis. Where libtorch has a kernel for uint8 it is taken:
 * it is fast and comes within two levels. Other filters are summed as rules.
 */
import type { Steps } from "../core/compose.js";
import { ops } from "../core/ops.js";
import type { Tensor } from "../core/tensor.js";
import { axis, resample } from "./resample.js";
import type { Rule } from "./resample_rules.js";

/** Filters by the numbers that Pillow, and so transformers' files, give them. */
export const PILLOW_FILTERS = [
  "nearest",
  "lanczos",
  "bilinear",
  "bicubic",
  "box",
  "hamming",
] as const;

/** A filter of Pillow. */
export type PillowFilter = (typeof PILLOW_FILTERS)[number];

/** Resizes [H, W, C] of uint8 on the CPU to [C, height, width]: levels, as uint8 or float32. */
export async function pillowResize(
  pixels_HWC: Tensor<"uint8">,
  [height, width]: readonly [number, number],
  filter: PillowFilter,
  steps: Steps,
): Promise<Tensor> {
  if (filter === "lanczos" || filter === "bilinear" || filter === "bicubic") {
    const pixels_1CHW = ops.unsqueeze(ops.permute(pixels_HWC, [2, 0, 1]), 0);
    const kernel = ops.job.internal[`_upsample_${filter}2d_aa`];
    const job = kernel(pixels_1CHW, [height, width], false, { ...steps.control });
    return ops.squeeze(await steps.run(job), 0);
  }
  const [rows, columns] = pixels_HWC.shape as [number, number, number];
  const rule = RULES[filter];
  const vertical = axis(rule(rows, height), rows, height);
  const horizontal = axis(rule(columns, width), columns, width);
  return await resample(pixels_HWC, vertical, horizontal, { levels: true }, steps);
}

/** Pillow's linear filter, as a rule: for pictures of numbers rather than levels. */
export const triangle = filtered(1, (x) => Math.max(0, 1 - Math.abs(x)));

const RULES = {
  nearest,
  box: filtered(0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)),
  hamming: filtered(1, (x) => {
    if (x === 0) return 1;
    const turn = Math.PI * Math.abs(x);
    return turn < Math.PI ? (Math.sin(turn) / turn) * (0.54 + 0.46 * Math.cos(turn)) : 0;
  }),
} as const;

/** The rule of a filter that ends `support` pixels from its middle. */
function filtered(support: number, filter: (x: number) => number) {
  return (input: number, output: number): Rule => {
    const factor = input / output;
    const scale = Math.max(factor, 1);
    return (i, add) => {
      const middle = (i + 0.5) * factor;
      const first = Math.max(0, Math.floor(middle - support * scale + 0.5));
      const end = Math.min(input, Math.floor(middle + support * scale + 0.5));
      const weights = Array.from({ length: end - first }, (_, tap) =>
        filter((first + tap - middle + 0.5) / scale),
      );
      const sum = weights.reduce((total, weight) => total + weight, 0);
      for (const [tap, weight] of weights.entries()) add(first + tap, weight / sum);
    };
  };
}

/** The pixel that holds the middle. */
function nearest(input: number, output: number): Rule {
  const factor = input / output;
  const places = new Float64Array(output);
  // Added up as in Pillow, which decides for middles on the border between two pixels.
  for (let i = 0, at = factor / 2; i < output; i += 1, at += factor) places[i] = at;
  return (i, add) => add(Math.min(Math.floor(places[i]!), input - 1), 1);
}
