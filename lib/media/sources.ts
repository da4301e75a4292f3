/** From what users name to pictures and videos, one by one. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { isVideo, kindInFolder, type MediaKind } from "./kinds.js";
import { statOf } from "./paths.js";

/** A picture or video that a path led to. */
export interface MediaSource {
  file: string;
  kind: MediaKind;
}

/** Numbers in names count as numbers: `frame2.png` comes before `frame10.png`. */
const NATURAL = new Intl.Collator("en", { numeric: true });

/**
 * The pictures and videos that paths lead to, in order.
 *
 * A file is a video if {@link isVideo} says so, else it is taken for a picture, whatever its name.
 * Of a folder come the pictures and videos that lie in it, by their endings, sorted as people sort;
 * hidden files, folders within it and all else are passed over.
 *
 * @throws `NOT_FOUND` for a path where nothing is, before anything is given; `BAD_INPUT` for no
 *   paths, and for a folder without pictures and videos.
 */
export async function* expandSources(paths: readonly string[]): AsyncGenerator<MediaSource, void> {
  if (!Array.isArray(paths) || paths.length === 0) {
    throw invalidArgument("the files", "at least one path", paths);
  }
  const given: { path: string; folder: boolean }[] = [];
  for (const path of paths) {
    if (typeof path !== "string") throw invalidArgument("the files", "paths", path);
    given.push({ path, folder: (await statOf(path)).isDirectory() });
  }
  for (const { path, folder } of given) {
    if (folder) yield* filesOf(path);
    else yield { file: path, kind: (await isVideo(path)) ? "video" : "image" };
  }
}

async function* filesOf(folder: string): AsyncGenerator<MediaSource, void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    const message = `expected a folder that can be read but received ${folder}`;
    throw new TorchsightError("BAD_INPUT", message, { cause });
  }
  let count = 0;
  for (const name of names.sort(naturally)) {
    const file = join(folder, name);
    if (name.startsWith(".") || !(await isFile(file))) continue;
    const kind = await kindInFolder(file);
    if (!kind) continue;
    count += 1;
    yield { file, kind };
  }
  if (count === 0) {
    const message = `expected pictures or videos in the folder ${folder} but received none`;
    throw new TorchsightError("BAD_INPUT", message);
  }
}

/** Names that count the same are ordered by their letters, so that the order is one. */
function naturally(a: string, b: string): number {
  return NATURAL.compare(a, b) || (a < b ? -1 : 1);
}

/** Whether a name leads to a file; a link may lead nowhere. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await statOf(path)).isFile();
  } catch {
    return false;
  }
}
