/** Pictures and videos, told apart. */
import { open } from "node:fs/promises";
import { extname } from "node:path";
import { requireFile } from "./paths.js";

/** What a file holds. */
export type MediaKind = "image" | "video";

/** Endings that leave no doubt. A GIF is a picture, of which the first frame counts. */
const ENDINGS: Readonly<Record<MediaKind, readonly string[]>> = {
  image: "avif gif jfif jpe jpeg jpg png tif tiff webp".split(" "),
  video: (
    "3g2 3gp asf avi flv h264 hevc ivf m2ts m4v mjpeg mjpg mkv mov mp4 mpeg mpg mxf ogv vob " +
    "webm wmv y4m"
  ).split(" "),
};

/** Endings of videos that other files have, too: `clip.ts` may be TypeScript. */
const SHARED_ENDINGS = ["mts", "ts"];

/** Bytes that {@link looksLikeVideo} wants. */
const HEAD = 400;

/** What a file's name promises; nothing where that has to be seen. */
function kindByName(path: string): MediaKind | undefined {
  const ending = extname(path).slice(1).toLowerCase();
  if (ENDINGS.image.includes(ending)) return "image";
  return ENDINGS.video.includes(ending) ? "video" : undefined;
}

/**
 * Whether a file is a video, by its ending, or by its first bytes where the ending tells nothing.
 * Where the ending tells, the file is not looked at.
 *
 * @throws `NOT_FOUND` where there is no such file, `BAD_INPUT` where it cannot be read.
 */
export async function isVideo(path: string): Promise<boolean> {
  const named = kindByName(path);
  if (named) return named === "video";
  await requireFile(path, "a picture or a video");
  return looksLikeVideo(await headOf(path));
}

/** The kind of a file of a folder; nothing where it is neither a picture nor a video. */
export async function kindInFolder(path: string): Promise<MediaKind | undefined> {
  const shared = SHARED_ENDINGS.includes(extname(path).slice(1).toLowerCase());
  if (!shared) return kindByName(path);
  // What may not be read is passed over, as all else that is no video.
  const head = await headOf(path).catch(() => Buffer.alloc(0));
  return looksLikeVideo(head) ? "video" : undefined;
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** First bytes of videos: where they stand, and what they are in Latin-1. */
const SIGNATURES: readonly (readonly [at: number, bytes: string])[] = [
  [0, "\x1a\x45\xdf\xa3"], // Matroska, WebM
  [8, "AVI "],
  [0, "OggS"],
  [0, "FLV\x01"],
  [0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"], // ASF
  [0, "\x00\x00\x01\xba"], // MPEG program stream
  [0, "\x00\x00\x01\xb3"], // MPEG video
  [0, "YUV4MPEG2"],
  [0, "DKIF"], // IVF
];

/** Brands of `ftyp` boxes that are pictures (ISO/IEC 23008-12). */
const PICTURE_BRANDS = ["avif", "avis", "heic", "heix", "mif1", "msf1", "jxl ", "jp2 "];

/** Bytes from one packet of an MPEG transport stream to the next, and what each begins with. */
const PACKET = 188;
const SYNC = 0x47;

function looksLikeVideo(head: Buffer): boolean {
  const text = head.toString("latin1");
  if (text.startsWith("ftyp", 4)) return !PICTURE_BRANDS.includes(text.slice(8, 12));
  if ([0, PACKET, 2 * PACKET].every((at) => head[at] === SYNC)) return true;
  return SIGNATURES.some(([at, bytes]) => text.startsWith(bytes, at));
}
