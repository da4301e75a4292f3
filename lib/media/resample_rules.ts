/**
 * Rules by which one axis of a picture is resampled: which pixels each pixel of the result is a
 * weighted sum of. Rules of two steps, a blur and then an interpolation, are composed into one.
 */

/** Takes a pixel's position and its weight. */
export type Add = (position: number, weight: number) => void;

/** Names the pixels of one axis that pixel `output` of the result is a sum of. */
export type Rule = (output: number, add: Add) => void;

/** The pixels on both sides of `at`, weighted by how near they are. */
function between(at: number, add: Add): void {
  const left = Math.floor(at);
  const share = at - left;
  if (share < 1) add(left, 1 - share);
  if (share > 0) add(left + 1, share);
}

/** `position` folded back into `size` pixels; the border is not repeated: c b | a b c. */
function mirrored(position: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((position % period) + period) % period;
  return Math.min(folded, period - folded);
}

/** Weights of a Gaussian at -radius … radius; they come to 1. */
function gaussian(sigma: number, radius: number): Float64Array {
  if (radius === 0) return Float64Array.of(1);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - radius) / sigma) ** 2),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** What `rule` gives of a line that was convolved with `kernel`, with mirrored borders. */
function blurred(rule: Rule, kernel: Float64Array, size: number): Rule {
  const radius = (kernel.length - 1) / 2;
  return (output, add) =>
    rule(output, (position, share) => {
      for (const [tap, weight] of kernel.entries()) {
        add(mirrored(position + tap - radius, size), share * weight);
      }
    });
}

/** The place among `input` pixels where pixel `output` of the result has its centre. */
const centre = (output: number, factor: number) => (output + 0.5) * factor - 0.5;

/**
 * As `skimage.transform.resize` with `anti_aliasing`: a Gaussian of sigma `(factor - 1) / 2` where
 * it shrinks, then linear interpolation, both with mirrored borders.
 */
export function skimage(input: number, output: number): Rule {
  const factor = input / output;
  const sigma = Math.max(0, (factor - 1) / 2);
  const interpolated: Rule = (i, add) => between(centre(i, factor), add);
  return blurred(interpolated, gaussian(sigma, Math.floor(4 * sigma + 0.5)), input);
}

/** Linear interpolation, no wider when it shrinks; beyond the borders the last pixels go on. */
export function bilinear(input: number, output: number): Rule {
  const factor = input / output;
  return (i, add) => between(Math.min(Math.max(centre(i, factor), 0), input - 1), add);
}

/**
 * As transformers' `Owlv2ImageProcessor` on torchvision: {@link skimage} with a shorter Gaussian
 * and {@link bilinear}'s borders. `blur` is false where not all axes of the picture are shrunk.
 */
export function shortBlur(input: number, output: number, blur: boolean): Rule {
  if (!blur) return bilinear(input, output);
  const sigma = (input / output - 1) / 2;
  return blurred(bilinear(input, output), gaussian(sigma, Math.ceil(3 * sigma)), input);
}

/** Linear interpolation that keeps the first and the last pixel where they are. */
export function cornerAligned(input: number, output: number): Rule {
  const factor = output > 1 ? (input - 1) / (output - 1) : 0;
  return (i, add) => between(i * factor, add);
}

/** `rule` for the first `kept` pixels of the result; those after them lie beyond the picture. */
export function upTo(kept: number, rule: Rule): Rule {
  return (i, add) => (i < kept ? rule(i, add) : add(Number.POSITIVE_INFINITY, 1));
}
