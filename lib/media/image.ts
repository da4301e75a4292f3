/** Pictures in and out, by sharp. */
import { access } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import { invalidArgument, TorchsightError } from "../core/errors.js";

/** Pixels row by row, the channels of a pixel side by side, 8 bits each. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

/**
 * Where a picture comes from: a path, the bytes of an encoded file, raw pixels, or what sharp's
 * `raw().toBuffer({ resolveWithObject: true })` gives.
 */
export type ImageSource =
  | string
  | Uint8Array
  | RawImage
  | { data: Uint8Array; info: { width: number; height: number; channels: number } };

/**
 * Decodes a picture to 3 (sRGB) or 1 (grey) channels. The orientation that a camera noted is
 * applied, transparency is dropped without blending, of an animation the first frame is taken.
 *
 * @throws `NOT_FOUND` for a missing file, `BAD_INPUT` for what is not a picture.
 */
export async function decodeImage(source: ImageSource, channels: 1 | 3 = 3): Promise<RawImage> {
  const name = typeof source === "string" ? source : "the image";
  if (typeof source === "string") await requireFile(source);
  try {
    const { data, info } = await open(source)
      .autoOrient()
      .removeAlpha()
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (error) {
    if (error instanceof TorchsightError) throw error;
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new TorchsightError("BAD_INPUT", `expected a picture for ${name}: ${why}`, {
      cause: error,
    });
  }
}

function open(source: ImageSource): Sharp {
  if (typeof source === "string") return sharp(source);
  if (source instanceof Uint8Array) return sharp(source);
  const { data, width, height, channels } = rawOf(source);
  return sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } });
}

/** Checks raw pixels: sharp reads as many bytes as it is told. */
function rawOf(source: Exclude<ImageSource, string | Uint8Array>): RawImage {
  const shape = "info" in source ? source.info : source;
  const { width, height, channels } = shape;
  const { data } = source;
  const sizes = [width, height, channels];
  if (!(data instanceof Uint8Array) || !sizes.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw invalidArgument("the image", "a path, bytes, or {data, width, height, channels}", source);
  }
  if (channels > 4 || data.length !== width * height * channels) {
    throw invalidArgument("data", `${width} x ${height} x ${channels} bytes`, data);
  }
  return { data, width, height, channels };
}

async function requireFile(path: string): Promise<void> {
  try {
    await access(path);
  } catch (error) {
    throw new TorchsightError("NOT_FOUND", `there is no file ${path}`, { cause: error });
  }
}

/** Writes raw pixels in the format of the file's ending. */
export async function writeImage(image: RawImage, path: string): Promise<void> {
  const { data, width, height, channels } = rawOf(image);
  await sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } }).toFile(path);
}
