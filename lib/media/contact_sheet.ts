/** Frames side by side in one picture. */
import { checkWholeNumber } from "../core/checks.js";
import { invalidArgument } from "../core/errors.js";
import type { RawImage } from "./image.js";

/** How frames are laid out. */
export interface SheetOptions {
  /** Frames of a row. Default: as many as make the sheet about square, at least 4. */
  columns?: number | undefined;
  /** Pixels that each pixel becomes. Default: what makes a frame's longer side 96 or more. */
  scale?: number | undefined;
  /** Pixels of white between frames and around them. Default 4. */
  gap?: number | undefined;
}

const SIDE = 96;

/**
 * A picture of all frames, row by row, in three channels. Throws `BAD_INPUT` for no frames, frames
 * of different sizes, and other than three channels.
 */
export function contactSheet(frames: readonly RawImage[], options: SheetOptions = {}): RawImage {
  const [first] = frames;
  if (!first) throw invalidArgument("the frames", "at least one", frames);
  const { width, height } = first;
  for (const frame of frames) {
    if (frame.width === width && frame.height === height && frame.channels === 3) continue;
    const { data: _, ...received } = frame;
    throw invalidArgument("the frames", `${width} x ${height} pixels of 3 channels`, received);
  }
  for (const [name, least] of [
    ["columns", 1],
    ["scale", 1],
    ["gap", 0],
  ] as const) {
    checkWholeNumber(name, options[name], least);
  }
  const square = Math.ceil(Math.sqrt((frames.length * height) / width));
  const { columns = Math.min(frames.length, Math.max(4, square)), gap = 4 } = options;
  const { scale = Math.max(1, Math.ceil(SIDE / Math.max(width, height))) } = options;
  const cell = { width: width * scale + gap, height: height * scale + gap };
  const rows = Math.ceil(frames.length / columns);
  const sheet = { width: columns * cell.width + gap, height: rows * cell.height + gap };
  const data = new Uint8Array(sheet.width * sheet.height * 3).fill(255);
  for (const [at, frame] of frames.entries()) {
    const left = gap + (at % columns) * cell.width;
    const top = gap + Math.floor(at / columns) * cell.height;
    for (let y = 0; y < height * scale; y += 1) {
      const row = enlarged(frame, Math.floor(y / scale), scale);
      data.set(row, ((top + y) * sheet.width + left) * 3);
    }
  }
  return { data, ...sheet, channels: 3 };
}

/** A row of a frame, each pixel `scale` times. */
function enlarged({ data, width }: RawImage, y: number, scale: number): Uint8Array {
  const row = data.subarray(y * width * 3, (y + 1) * width * 3);
  if (scale === 1) return row;
  const wide = new Uint8Array(row.length * scale);
  for (let x = 0; x < width * scale; x += 1) {
    const from = Math.floor(x / scale) * 3;
    wide.set(row.subarray(from, from + 3), x * 3);
  }
  return wide;
}
