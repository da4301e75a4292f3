/** Which share of each pixel an object covers, told by its colour. */
import { type Color, RGB } from "../../data/shapesworld/vocabulary.js";

/** The pixels of a clip, [frames, height, width, 3], row by row. */
export interface ClipPixels {
  data: Uint8Array;
  frames: number;
  height: number;
  width: number;
}

type Rgb = readonly [red: number, green: number, blue: number];

/** How an object of a colour before a plain ground explains a clip. */
export interface Matte {
  /** Shares from 0 to 1, [frames, height, width]. */
  alpha: Float64Array;
  /** What it leaves unexplained of the difference from the ground: 0 nothing, 1 all. */
  left: number;
}

/** Shares below it are taken for noise. */
const LEAST = 0.15;

/** The colour of the ground: the median of the pixels at the border of all frames. */
export function groundOf({ data, frames, height, width }: ClipPixels): Rgb {
  const places: number[] = [];
  for (let frame = 0; frame < frames; frame += 1) {
    for (let row = 0; row < height; row += 1) {
      const edge = row === 0 || row === height - 1;
      const columns = edge ? Array.from({ length: width }, (_, at) => at) : [0, width - 1];
      for (const column of columns) places.push(((frame * height + row) * width + column) * 3);
    }
  }
  const median = (channel: number) => {
    const levels = Uint8Array.from(places, (place) => data[place + channel]!).sort();
    return levels[levels.length >> 1]!;
  };
  return [median(0), median(1), median(2)];
}

/** Each pixel as a mixture of the ground and of `color`, in the sense of least squares. */
export function matteOf(clip: ClipPixels, ground: Rgb, color: Color): Matte {
  const { data } = clip;
  const [red, green, blue] = RGB[color].map((level, channel) => level - ground[channel]!) as [
    number,
    number,
    number,
  ];
  const square = red * red + green * green + blue * blue;
  const alpha = new Float64Array(data.length / 3);
  let [left, all] = [0, 0];
  for (let pixel = 0, at = 0; pixel < alpha.length; pixel += 1, at += 3) {
    const r = data[at]! - ground[0];
    const g = data[at + 1]! - ground[1];
    const b = data[at + 2]! - ground[2];
    const share = Math.min(1, Math.max(0, (r * red + g * green + b * blue) / square));
    const [dr, dg, db] = [r - share * red, g - share * green, b - share * blue];
    left += dr * dr + dg * dg + db * db;
    all += r * r + g * g + b * b;
    alpha[pixel] = share < LEAST ? 0 : share;
  }
  return { alpha, left: all > 0 ? left / all : 1 };
}
