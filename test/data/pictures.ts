/** Pictures in files, for tests of data sets. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";

export interface Drawn {
  width?: number;
  height?: number;
  /** Red, green, blue. */
  color?: readonly [number, number, number];
}

/** Writes pictures of one colour below a folder, in the format of their ending. */
export async function writePictures(folder: string, files: Record<string, Drawn>): Promise<void> {
  for (const [name, { width = 12, height = 8, color = [200, 100, 50] }] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const [r, g, b] = color;
    const background = { r, g, b };
    await sharp({ create: { width, height, channels: 3, background } }).toFile(path);
  }
}

/** Writes a file of text below a folder; gives its path. */
export function writeText(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}
