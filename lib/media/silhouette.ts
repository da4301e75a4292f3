/** Masks of objects, painted onto pictures. */
import { invalidArgument } from "../core/errors.js";
import { blend } from "./canvas.js";
import type { Rgb } from "./colours.js";
import type { RawImage } from "./image.js";

/** Throws `BAD_INPUT` unless `mask` has one channel and as many pixels as `canvas`. */
export function checkSilhouette(name: string, mask: RawImage, canvas: RawImage): void {
  const { data, width, height, channels } = mask ?? {};
  const fits = width === canvas.width && height === canvas.height && channels === 1;
  if (fits && data instanceof Uint8Array && data.length === width * height) return;
  const expected = `${canvas.width} x ${canvas.height} bytes in one channel`;
  throw invalidArgument(name, expected, { width, height, channels });
}

/**
 * Fills what of a mask is not 0, and draws its rim, `line` pixels wide, inside of it. The border of
 * the picture has no rim.
 */
export function paintSilhouette(
  canvas: RawImage,
  mask: RawImage,
  colour: Rgb,
  opacity: number,
  line: number,
): void {
  const { width, height } = canvas;
  const core = inner(mask, line);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      if (mask.data[at] !== 0) blend(canvas, x, y, colour, core[at] === 0 ? 1 : opacity);
    }
  }
}

/** 1 for the pixels of a mask from which no pixel outside is within `reach` along either axis. */
function inner({ data, width, height }: RawImage, reach: number): Uint8Array {
  const rows = new Uint8Array(data.length);
  const core = new Uint8Array(data.length);
  for (let y = 0; y < height; y += 1) shrink(data, rows, y * width, width, 1, reach);
  for (let x = 0; x < width; x += 1) shrink(rows, core, x, height, width, reach);
  return core;
}

/** Takes `reach` pixels off both ends of each run in a line, but not at the ends of the line. */
function shrink(
  from: Uint8Array,
  to: Uint8Array,
  start: number,
  length: number,
  step: number,
  reach: number,
): void {
  const last = length - 1;
  // Pixels since the latest one outside, from the left and then from the right.
  for (let i = 0, since = reach; i <= last; i += 1) {
    const at = start + i * step;
    since = from[at] === 0 ? 0 : since + 1;
    to[at] = since > reach ? 1 : 0;
  }
  for (let i = last, since = reach; i >= 0; i -= 1) {
    const at = start + i * step;
    since = from[at] === 0 ? 0 : since + 1;
    if (since <= reach) to[at] = 0;
  }
}
