/** Pictures in and out, by sharp. */
import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import sharp, { type Metadata, type Sharp, type SharpOptions } from "sharp";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { requireFile, requireFolderOf } from "./paths.js";
import { luma, uncalibratedRgb } from "./pixels.js";
import { partialOf, publish, removePartial, spaceReason } from "./whole.js";

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

/** How a picture is decoded. */
export interface DecodeOptions {
  /**
   * Width times height that a file may say it has; nothing is decoded of a larger one. Default
   * 268,402,689 (16,383 x 16,383), sharp's.
   */
  maxPixels?: number | undefined;
}

/** Pixels of a file that are decoded where the caller sets no other limit. */
export const MAX_PIXELS = 16383 * 16383;

/** Formats whose files hold instructions for drawing rather than pixels. */
const VECTOR_FORMATS: readonly string[] = ["svg", "pdf"];

/**
 * Decodes a picture to 8 bit sRGB, or to 8 bit grey where `channels` is 1.
 *
 * Read are JPEG, PNG, WebP, GIF, TIFF and AVIF. The result is that of Pillow's `convert("RGB")` or
 * `convert("L")` after its `exif_transpose`:
 *
 * - the orientation that a camera noted is applied,
 * - transparency is dropped without blending,
 * - of an animation the first frame is taken, of several pages the first,
 * - embedded colour profiles are ignored, since models were trained that way,
 * - CMYK is converted by (255 - C)(255 - K) / 255.
 *
 * One thing differs, since Pillow loses information there: 16 bit grey is scaled to 8 bits, where
 * Pillow clips it at 255.
 *
 * A file that ends early is refused. One that is complete but damaged inside is decoded as far as
 * its format allows, as viewers do. SVG is refused: what it looks like depends on the machine's
 * fonts, and its size is a matter of choice.
 *
 * @throws `NOT_FOUND` for a missing file, `BAD_INPUT` for what is not a picture or is too large.
 */
export async function decodeImage(
  source: ImageSource,
  channels: 1 | 3 = 3,
  options: DecodeOptions = {},
): Promise<RawImage> {
  const { maxPixels = MAX_PIXELS } = options;
  if (!Number.isSafeInteger(maxPixels) || maxPixels < 1) {
    throw invalidArgument("maxPixels", "a positive integer", maxPixels);
  }
  const name = typeof source === "string" ? source : "the image";
  if (typeof source === "string") await requireFile(source, "a picture");
  try {
    const image = await pixelsOf(source, name, maxPixels);
    return channels === 1 ? luma(image) : image;
  } catch (error) {
    if (error instanceof TorchsightError) throw error;
    const message = `expected a picture for ${name}: ${reasonOf(error)}`;
    throw new TorchsightError("BAD_INPUT", message, { cause: error });
  }
}

/** The picture in 3 channels. */
async function pixelsOf(source: ImageSource, name: string, maxPixels: number): Promise<RawImage> {
  if (typeof source !== "string" && !(source instanceof Uint8Array)) {
    const raw = rawOf(source);
    if (raw.channels === 3) return { ...raw, data: new Uint8Array(raw.data) };
    return await rawPixels(openRaw(raw).removeAlpha().toColourspace("srgb"));
  }
  // The header is read without a limit: sharp's own error does not tell the size.
  const header = await open(source, { limitInputPixels: false }).metadata();
  checkHeader(header, name, maxPixels);
  // Warnings of the decoders are passed over: common cameras write files that cause them.
  const reading = { limitInputPixels: maxPixels, failOn: "error", ignoreIcc: true } as const;
  const picture = open(source, reading).autoOrient().removeAlpha();
  if (header.space === "cmyk") {
    return uncalibratedRgb(
      await rawPixels(picture.pipelineColourspace("cmyk").toColourspace("cmyk")),
    );
  }
  return await rawPixels(picture.toColourspace("srgb"));
}

function checkHeader(header: Metadata, name: string, maxPixels: number): void {
  const { format, width, height } = header;
  if (VECTOR_FORMATS.includes(format)) {
    const kind = format.toUpperCase();
    throw new TorchsightError(
      "BAD_INPUT",
      `expected a picture of pixels for ${name} but received ${kind}: render it to PNG first`,
    );
  }
  if (width * height > maxPixels) {
    throw new TorchsightError(
      "BAD_INPUT",
      `expected at most ${maxPixels} pixels for ${name} but received ${width} x ${height}`,
    );
  }
}

function open(source: string | Uint8Array, options: SharpOptions): Sharp {
  // Two calls, since the overloads of sharp do not take the union.
  return typeof source === "string" ? sharp(source, options) : sharp(source, options);
}

function openRaw({ data, width, height, channels }: RawImage): Sharp {
  const raw = { width, height, channels: channels as 1 | 2 | 3 | 4 };
  return sharp(data, { raw, limitInputPixels: false });
}

async function rawPixels(picture: Sharp): Promise<RawImage> {
  const { data, info } = await picture
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  // Not a Buffer: its `slice` would share memory, unlike that of the type promised.
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { data: bytes, width, height, channels };
}

/** Checks raw pixels: sharp reads as many bytes as it is told. */
function rawOf(source: Exclude<ImageSource, string | Uint8Array>): RawImage {
  const expected = "a path, bytes, or {data, width, height, channels}";
  if (typeof source !== "object" || source === null) {
    throw invalidArgument("the image", expected, source);
  }
  const shape = "info" in source && source.info ? source.info : (source as RawImage);
  const { width, height, channels } = shape;
  const { data } = source;
  const sizes = [width, height, channels];
  if (!(data instanceof Uint8Array) || !sizes.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw invalidArgument("the image", expected, source);
  }
  if (channels > 4 || data.length !== width * height * channels) {
    throw invalidArgument("data", `${width} x ${height} x ${channels} bytes`, data);
  }
  return { data, width, height, channels };
}

/** The first line of what sharp says, which may be many. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!.replace(/[:\s]+$/, "");
}

/** Endings of the formats that {@link writeImage} writes, in any case. */
export const IMAGE_ENDINGS = [
  ".png",
  ".avif",
  ".gif",
  ".jpeg",
  ".jpg",
  ".tif",
  ".tiff",
  ".webp",
] as const;

/**
 * Writes raw pixels in the format of the file's ending: PNG, JPEG, WebP, GIF, TIFF or AVIF. JPEG
 * and WebP are written in a quality that keeps thin lines and small letters clean. An existing file
 * is replaced once the new one is whole.
 *
 * @throws `BAD_INPUT` for another ending, pixels that do not fit their size, or a picture larger
 *   than the format allows, and with the reason `NO_SPACE` where there is no room for it;
 *   `NOT_FOUND` for a missing folder.
 */
export async function writeImage(image: RawImage, path: string): Promise<void> {
  const picture = openRaw(rawOf(image));
  const ending = extname(path).toLowerCase();
  const format = IMAGE_ENDINGS.find((one) => one === ending)?.slice(1);
  if (format === undefined) {
    throw invalidArgument("the picture's file", `an ending of ${IMAGE_ENDINGS.join(", ")}`, path);
  }
  await requireFolderOf(path);
  const partial = partialOf(path);
  try {
    // Not forced: the format decides, these only tell how.
    const bytes = await picture
      .toFormat(format as "png")
      .jpeg({ quality: 92, chromaSubsampling: "4:4:4", force: false })
      .webp({ quality: 92, smartSubsample: true, force: false })
      .toBuffer();
    await writeFile(partial, bytes);
  } catch (cause) {
    await removePartial(partial);
    const why = reasonOf(cause);
    const message = `expected a file that can be written for ${path}: ${why}`;
    throw new TorchsightError("BAD_INPUT", message, { cause, reason: spaceReason(why) });
  }
  await publish(partial, path);
}
