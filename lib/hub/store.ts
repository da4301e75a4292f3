/** Writes a model into the cache, in the layout that {@link completeSnapshot} and Python read. */
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { modelFolder } from "../core/hub-cache.js";
import type { HubFile } from "./client.js";
import { download, type Source } from "./download.js";
import { withoutLinks } from "./settings.js";

/** What file systems without symbolic links answer, and Windows to users without the right. */
const NO_LINKS = new Set(["EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"]);
let counter = 0;

/** One commit of a model in the cache. */
export class Store {
  readonly #folder: string;
  /** The folder that is loaded. */
  readonly snapshot: string;

  constructor(
    name: string,
    private readonly commit: string,
  ) {
    this.#folder = modelFolder(name);
    this.snapshot = join(this.#folder, "snapshots", commit);
  }

  /** Where a file is loaded from. */
  pathOf(file: HubFile): string {
    return join(this.snapshot, ...file.path.split("/"));
  }

  /** Brings the content of a file unless it is there. Returns where it is. */
  async obtain(file: HubFile, source: Source): Promise<string> {
    for (const place of [this.pathOf(file), this.#blobOf(file)]) {
      if (!(await holds(place, file))) continue;
      source.told(file.bytes);
      return place;
    }
    const blob = this.#blobOf(file);
    await mkdir(dirname(blob), { recursive: true });
    await download(file, blob, source);
    return blob;
  }

  /** Gives the snapshot a file whose content is there. */
  async add(file: HubFile): Promise<void> {
    const path = this.pathOf(file);
    if (await holds(path, file)) return;
    const blob = this.#blobOf(file);
    await mkdir(dirname(path), { recursive: true });
    await replace(path, async (temporary) => {
      try {
        if (withoutLinks()) await copyFile(blob, temporary);
        else await symlink(relative(dirname(path), blob), temporary);
      } catch (error) {
        if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
        await copyFile(blob, temporary);
      }
    });
  }

  /** Lets a branch or a tag stand for this commit. */
  async name(revision: string): Promise<void> {
    if (revision === this.commit) return;
    const path = join(this.#folder, "refs", revision);
    if ((await readFile(path, "utf8").catch(() => "")) === this.commit) return;
    await mkdir(dirname(path), { recursive: true });
    await replace(path, (temporary) => writeFile(temporary, this.commit));
  }

  #blobOf(file: HubFile): string {
    return join(this.#folder, "blobs", file.content);
  }
}

/** Whether a file is there in its whole length. */
async function holds(path: string, { bytes }: HubFile): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isFile() === true && status.size === bytes;
}

/** Makes a file under another name first, so that nobody ever sees a part of it. */
async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}-${counter++}.tmp`;
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
