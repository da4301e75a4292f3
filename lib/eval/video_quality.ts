/** How close two videos are, pixel by pixel and by structure. */
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { ClipPixels } from "./moving_shapes/index.js";

/** The largest level of a byte. */
const PEAK = 255;
/** Of Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity". */
const SIGMA = 1.5;
const RADIUS = 5;
const [C1, C2] = [(0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2];

/**
 * The ratio of the largest possible signal to the error, in decibels, of each frame; infinite where
 * they are equal.
 *
 * @throws `SHAPE` for clips of different sizes
 */
export function framePsnr(one: ClipPixels, other: ClipPixels): number[] {
  checkAlike(one, other);
  const size = one.height * one.width * 3;
  return Array.from({ length: one.frames }, (_, frame) => {
    let squares = 0;
    for (let at = frame * size; at < (frame + 1) * size; at += 1) {
      squares += (one.data[at]! - other.data[at]!) ** 2;
    }
    return 10 * Math.log10((PEAK * PEAK * size) / squares);
  });
}

/**
 * Structural similarity of each frame (Wang et al., 2004): the mean over channels and over all
 * places at which a window of 11 x 11, Gaussian with sigma 1.5, lies within the frame. Equal to
 * scikit-image's with `gaussian_weights` and population covariances.
 *
 * @throws `SHAPE` for clips of different sizes, `BAD_INPUT` for frames smaller than the window
 */
export function frameSsim(one: ClipPixels, other: ClipPixels): number[] {
  checkAlike(one, other);
  const { frames, height, width } = one;
  if (Math.min(height, width) < 2 * RADIUS + 1) {
    throw invalidArgument("the frames", `at least ${2 * RADIUS + 1} pixels a side`, [
      height,
      width,
    ]);
  }
  return Array.from({ length: frames }, (_, frame) => {
    const similarities = [0, 1, 2].map((channel) => {
      const plane = ({ data }: ClipPixels) => {
        const start = frame * height * width;
        return Float64Array.from(
          { length: height * width },
          (_, at) => data[(start + at) * 3 + channel]!,
        );
      };
      return similarity(plane(one), plane(other), height, width);
    });
    return similarities.reduce((sum, value) => sum + value, 0) / similarities.length;
  });
}

function similarity(x: Float64Array, y: Float64Array, height: number, width: number): number {
  const mean = (values: Float64Array) => blurred(values, height, width);
  const times = (a: Float64Array, b: Float64Array) => a.map((value, at) => value * b[at]!);
  const [mx, my] = [mean(x), mean(y)];
  const [xx, yy, xy] = [mean(times(x, x)), mean(times(y, y)), mean(times(x, y))];
  let sum = 0;
  for (const [at, a] of mx.entries()) {
    const b = my[at]!;
    const [varX, varY, cov] = [xx[at]! - a * a, yy[at]! - b * b, xy[at]! - a * b];
    sum += ((2 * a * b + C1) * (2 * cov + C2)) / ((a * a + b * b + C1) * (varX + varY + C2));
  }
  return sum / mx.length;
}

const WINDOW = (() => {
  const weights = Array.from({ length: 2 * RADIUS + 1 }, (_, at) => {
    return Math.exp(-((at - RADIUS) ** 2) / (2 * SIGMA * SIGMA));
  });
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
})();

/** Means under the window, where it lies within the plane. */
function blurred(plane: Float64Array, height: number, width: number): Float64Array {
  const [rows, columns] = [height - 2 * RADIUS, width - 2 * RADIUS];
  const across = new Float64Array(height * columns);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      for (const [at, weight] of WINDOW.entries())
        sum += weight * plane[row * width + column + at]!;
      across[row * columns + column] = sum;
    }
  }
  const both = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      for (const [at, weight] of WINDOW.entries())
        sum += weight * across[(row + at) * columns + column]!;
      both[row * columns + column] = sum;
    }
  }
  return both;
}

function checkAlike(one: ClipPixels, other: ClipPixels): void {
  const shape = ({ frames, height, width }: ClipPixels) => [frames, height, width, 3];
  for (const clip of [one, other]) {
    const count = shape(clip).reduce((all, side) => all * side, 1);
    if (count > 0 && `${shape(clip)}` === `${shape(one)}` && clip.data.length === count) continue;
    throw new TorchsightError(
      "SHAPE",
      `expected two clips of [${shape(one)}] but received one of [${shape(clip)}] with ` +
        `${clip.data.length} numbers`,
    );
  }
}
