/** A drawing with labels; as a program, prints the hash of its pixels. */
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { drawBoxes } from "../../lib/media/draw.js";
import type { RawImage } from "../../lib/media/image.js";

/** A picture of one grey level in 3 channels. */
export function plain(width: number, height: number, level: number): RawImage {
  const data = new Uint8Array(width * height * 3).fill(level);
  return { data, width, height, channels: 3 };
}

/** Boxes with all that printable ASCII has, at several sizes of letters. */
export function drawing(reversed = false): Promise<RawImage> {
  const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
  const boxes = [0, 1, 2, 3, 4].map((i) => ({
    box: [10 + 40 * i, 40 * i - 5, 500 + 90 * i, 300 + 90 * i] as const,
    label: ascii.slice(i * 19, (i + 1) * 19),
    score: 0.9 - i / 10,
  }));
  return drawBoxes(plain(1111, 700, 120), reversed ? boxes.toReversed() : boxes);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { data } = await drawing();
  console.log(createHash("sha256").update(data).digest("hex"));
}
