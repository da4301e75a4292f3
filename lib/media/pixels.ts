/** Conversions between pixels that sharp does otherwise than Pillow. */
import type { RawImage } from "./image.js";

/** CMYK to RGB by the plain formula of Pillow and the browsers. */
export function uncalibratedRgb({ data, width, height }: RawImage): RawImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const white = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink += 1) {
      rgb[to + ink] = Math.round(((255 - data[from + ink]!) * white) / 255);
    }
  }
  return { data: rgb, width, height, channels: 3 };
}

/** RGB to grey by the weights of ITU-R BT.601, in Pillow's 16 bit fixed point. */
export function luma({ data, width, height }: RawImage): RawImage {
  const grey = new Uint8Array(width * height);
  for (let to = 0, from = 0; to < grey.length; to += 1, from += 3) {
    const weighted = 19595 * data[from]! + 38470 * data[from + 1]! + 7471 * data[from + 2]!;
    grey[to] = (weighted + 0x8000) >> 16;
  }
  return { data: grey, width, height, channels: 1 };
}
