/** Pictures and videos in folders. */
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TorchsightError } from "../core/errors.js";
import { kindInFolder } from "../media/kinds.js";
import { statOf } from "../media/paths.js";
import type { FolderSource } from "./dataset.js";
import { type Entry, Listed } from "./listed.js";
import { splitter } from "./split.js";

/**
 * The pictures and videos of a folder, by their endings. Folders in it are classes, which may have
 * folders of their own; where there are none, nothing has a label. Hidden names are passed over.
 * The order is that of the code units of names, the same on every machine.
 *
 * @throws `NOT_FOUND` for no folder; `BAD_INPUT` for a class without pictures, and for pictures
 *   beside classes
 */
export async function openFolder(source: FolderSource): Promise<Listed> {
  const { folder } = source;
  if (!(await statOf(folder)).isDirectory()) throw unfit(folder, "a folder of pictures");
  const taken = splitter(source);
  const inside = await namesIn(folder);
  const loose = await mediaOf(folder, "", inside);
  const classes = inside.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  if (classes.length === 0 || loose.length > 0) {
    if (classes.length > 0) throw unfit(folder, "either pictures or folders of classes, not both");
    if (loose.length === 0) throw unfit(folder, "pictures or videos in the folder");
    return listed(
      folder,
      loose.filter(({ file }) => taken(file)),
    );
  }
  const entries: Entry[] = [];
  for (const [label, name] of classes.entries()) {
    const media = await mediaUnder(folder, name);
    if (media.length === 0) throw unfit(join(folder, name), "pictures or videos of a class");
    for (const one of media) if (taken(one.file)) entries.push({ ...one, labels: [label] });
  }
  return listed(folder, entries, classes);
}

function listed(folder: string, entries: Entry[], labels?: string[]): Listed {
  if (entries.length === 0) throw unfit(folder, "at least one picture in this part of the split");
  return new Listed(
    entries.map((entry) => ({ ...entry, file: join(folder, entry.file) })),
    labels,
  );
}

/** Pictures and videos in a folder of the root, folders within it included; by relative path. */
async function mediaUnder(root: string, within: string): Promise<Entry[]> {
  const inside = await namesIn(join(root, within));
  const media = await mediaOf(root, within, inside);
  for (const entry of inside) {
    if (entry.isDirectory()) media.push(...(await mediaUnder(root, `${within}/${entry.name}`)));
  }
  return media;
}

async function mediaOf(root: string, within: string, inside: Dirent[]): Promise<Entry[]> {
  const media: Entry[] = [];
  for (const entry of inside) {
    if (entry.isDirectory()) continue;
    const file = within === "" ? entry.name : `${within}/${entry.name}`;
    const kind = await kindInFolder(join(root, file));
    if (kind) media.push(kind === "video" ? { file, video: true } : { file });
  }
  return media;
}

async function namesIn(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const shown = entries.filter(({ name }) => !name.startsWith("."));
  return shown.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function unfit(folder: string, expected: string): TorchsightError {
  return new TorchsightError("BAD_INPUT", `expected ${expected} in ${folder}`);
}
