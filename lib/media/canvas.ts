/** Drawing on pixels of 3 channels, in place. What lies beyond the picture is left out. */
import type { Rgb } from "./colours.js";
import type { RawImage } from "./image.js";
import type { Mask } from "./text.js";

/** Whole pixels, from `left` and `top` up to but not including `right` and `bottom`. */
export interface Rectangle {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The rectangle, larger by `by` pixels on each side. */
export function grown({ left, top, right, bottom }: Rectangle, by: number): Rectangle {
  return { left: left - by, top: top - by, right: right + by, bottom: bottom + by };
}

/** Fills a rectangle. `opacity` is 0 to 1. */
export function fillRectangle(
  canvas: RawImage,
  { left, top, right, bottom }: Rectangle,
  colour: Rgb,
  opacity = 1,
): void {
  for (let y = Math.max(0, top); y < Math.min(canvas.height, bottom); y += 1) {
    for (let x = Math.max(0, left); x < Math.min(canvas.width, right); x += 1) {
      blend(canvas, x, y, colour, opacity);
    }
  }
}

/** Draws a frame of `width` pixels inside the edges of a rectangle. */
export function fillFrame(
  canvas: RawImage,
  outline: Rectangle,
  width: number,
  colour: Rgb,
  opacity = 1,
): void {
  const { left, top, right, bottom } = outline;
  // Of a rectangle that is all frame, no pixel is drawn twice.
  const upper = Math.min(bottom, top + width);
  const lower = Math.max(upper, bottom - width);
  const inner = { top: upper, bottom: lower };
  const leftEdge = Math.min(right, left + width);
  const rightEdge = Math.max(leftEdge, right - width);
  fillRectangle(canvas, { left, top, right, bottom: upper }, colour, opacity);
  fillRectangle(canvas, { left, top: lower, right, bottom }, colour, opacity);
  fillRectangle(canvas, { left, right: leftEdge, ...inner }, colour, opacity);
  fillRectangle(canvas, { left: rightEdge, right, ...inner }, colour, opacity);
}

/** Paints ink of a colour where a mask has it, the mask's corner at `left`, `top`. */
export function paintMask(
  canvas: RawImage,
  mask: Mask,
  left: number,
  top: number,
  colour: Rgb,
): void {
  for (let row = Math.max(0, -top); row < Math.min(mask.height, canvas.height - top); row += 1) {
    const [first, last] = [Math.max(0, -left), Math.min(mask.width, canvas.width - left)];
    for (let column = first; column < last; column += 1) {
      const ink = mask.coverage[row * mask.width + column]!;
      if (ink > 0) blend(canvas, left + column, top + row, colour, ink / 255);
    }
  }
}

/** Mixes a colour into one pixel, which has to lie within the picture. */
export function blend(canvas: RawImage, x: number, y: number, colour: Rgb, opacity: number): void {
  const place = (y * canvas.width + x) * 3;
  for (let channel = 0; channel < 3; channel += 1) {
    const under = canvas.data[place + channel]!;
    canvas.data[place + channel] = Math.round(under + (colour[channel]! - under) * opacity);
  }
}
