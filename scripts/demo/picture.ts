/** The demo's pictures: what a model sees, and beside it a number for each of its patches. */
import sharp from "sharp";
import type { RawImage } from "../../lib/media/image.js";
import { geometry } from "../../lib/models/vit22b/processing.js";

/** Pixels of the picture for one pixel that the model sees. */
const SCALE = 3;
const SCENE_SCALE = 4;
const MARGIN = 12;

interface Canvas {
  data: Buffer;
  width: number;
  height: number;
}

/**
 * Draws the photograph as the model sees it with its patch grid, its token norms as colours from
 * blue over green to yellow, and a scale of the colours; no text, so that no font is needed.
 *
 * @param norms - one number a token, row by row
 * @returns the smallest and the largest norm, as written
 */
export async function drawTokens(
  photo: string,
  sides: readonly [number, number],
  grid: readonly [number, number],
  norms: Float32Array,
  path: string,
): Promise<[string, string]> {
  const seen = await asSeen(photo, sides);
  const low = Math.min(...norms);
  const high = Math.max(...norms);
  const shares = Array.from(norms, (norm) => (high > low ? (norm - low) / (high - low) : 0));
  const withGrid = paint(seen, (x, y, pixel) =>
    onLine(x, y, seen, grid) ? pixel.map((value) => 0.35 * value + 160) : pixel,
  );
  const bar: Canvas = { data: Buffer.alloc(seen.height * 24 * 3), width: 24, height: seen.height };
  const scale = paint(bar, (_, y) => colourOf(1 - y / (bar.height - 1)));
  await writeBeside([withGrid, coloured(seen, grid, shares), scale], path);
  return [low.toFixed(2), high.toFixed(2)];
}

/**
 * Draws a scene, larger, and beside it each map over it: dark where a patch speaks against a label
 * or says nothing, yellow where it says the most for it.
 *
 * @param maps - one number a patch, row by row
 */
export async function drawMaps(
  scene: RawImage,
  grid: readonly [number, number],
  maps: readonly Float32Array[],
  path: string,
): Promise<void> {
  const { data, width, height } = scene;
  const larger = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(width * SCENE_SCALE, height * SCENE_SCALE, { kernel: "nearest" })
    .raw()
    .toBuffer();
  const seen = { data: larger, width: width * SCENE_SCALE, height: height * SCENE_SCALE };
  const painted = maps.map((map) => {
    const high = Math.max(...map, Number.MIN_VALUE);
    const shares = Array.from(map, (value) => Math.max(0, value) / high);
    return coloured(seen, grid, shares);
  });
  await writeBeside([seen, ...painted], path);
}

/** The canvas under a colour for each patch, by shares from 0 to 1. */
function coloured(seen: Canvas, grid: readonly [number, number], shares: number[]): Canvas {
  return paint(seen, (x, y, pixel) => {
    const row = Math.floor((y * grid[0]) / seen.height);
    const column = Math.floor((x * grid[1]) / seen.width);
    const colour = colourOf(shares[row * grid[1] + column] ?? 0);
    return pixel.map((value, channel) => 0.25 * value + 0.75 * colour[channel]!);
  });
}

/** Writes canvases of one height side by side. */
async function writeBeside(parts: readonly Canvas[], path: string): Promise<void> {
  let left = MARGIN;
  const overlays = parts.map(({ data, width, height }) => {
    const raw = { width, height, channels: 3 as const };
    const overlay = { input: data, raw, left, top: MARGIN };
    left += width + MARGIN;
    return overlay;
  });
  const height = parts[0]!.height + 2 * MARGIN;
  await sharp({ create: { width: left, height, channels: 3, background: "#181818" } })
    .composite(overlays)
    .png()
    .toFile(path);
}

/** The part of the photograph that the model sees, larger. */
async function asSeen(photo: string, sides: readonly [number, number]): Promise<Canvas> {
  const { width = 1, height = 1 } = await sharp(photo).metadata();
  const { resized, crop } = geometry([height, width], sides);
  const { data, info } = await sharp(photo)
    .resize(resized[1] * SCALE, resized[0] * SCALE, { fit: "fill" })
    .extract({
      left: crop.left * SCALE,
      top: crop.top * SCALE,
      width: crop.width * SCALE,
      height: crop.height * SCALE,
    })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** A copy of the canvas with every pixel passed through `brush`. */
function paint(
  canvas: Canvas,
  brush: (x: number, y: number, pixel: number[]) => readonly number[],
): Canvas {
  const data = Buffer.alloc(canvas.data.length);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const at = 3 * (y * canvas.width + x);
      const pixel = brush(x, y, [...canvas.data.subarray(at, at + 3)]);
      for (let channel = 0; channel < 3; channel++) {
        data[at + channel] = Math.min(255, Math.round(pixel[channel]!));
      }
    }
  }
  return { ...canvas, data };
}

function onLine(x: number, y: number, canvas: Canvas, grid: readonly [number, number]): boolean {
  return x % (canvas.width / grid[1]) < 1 || y % (canvas.height / grid[0]) < 1;
}

/** Blue, green, yellow: dark to light, so that it reads in grey as well. */
const STOPS = [
  [40, 30, 110],
  [30, 130, 140],
  [90, 200, 90],
  [250, 230, 40],
];

function colourOf(share: number): number[] {
  const at = share * (STOPS.length - 1);
  const first = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[first]!.map((from, i) => from + (at - first) * (STOPS[first + 1]![i]! - from));
}
