/** What has come of a blob so far: a file beside it, which one download at a time writes. */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { threadId } from "node:worker_threads";

/** Python's tools know what is left of a download by this ending. */
const ENDING = ".incomplete";
const OURS = ".torchsight";
/** A download that has written nothing for so long has ended. */
const SILENCE_MS = 10 * 60_000;
const HOST = hostname().replace(/\W/g, "_").slice(0, 64);

/** Files that downloads of this thread are writing. */
const writing = new Set<string>();
let counter = 0;

/**
 * The first bytes of a blob. No two downloads ever write the same file: each has one of its own,
 * by the name of its process, and takes over what an ended one has left by renaming it.
 */
export class Partial {
  #bytes: number;

  private constructor(
    private readonly blob: string,
    readonly file: string,
    private readonly handle: FileHandle,
    /** What an earlier download has left. */
    readonly inherited: number,
  ) {
    this.#bytes = inherited;
  }

  /** Goes on from what an ended download of the blob has left, else begins anew. */
  static async claim(blob: string): Promise<Partial> {
    const own = `${OURS}-${HOST}-${process.pid}-${threadId}-${counter++}`;
    const file = `${blob}${own}${ENDING}`;
    for (const left of await leftOf(blob)) {
      if (await taken(left, file)) break;
    }
    writing.add(file);
    try {
      const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o666);
      return new Partial(blob, file, handle, (await handle.stat()).size);
    } catch (error) {
      writing.delete(file);
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const left = chunk.length - at;
      const { bytesWritten } = await this.handle.write(chunk, at, left, this.#bytes);
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** Forgets what has come. */
  async rewind(): Promise<void> {
    await this.handle.truncate(0);
    this.#bytes = 0;
  }

  /** Makes it the blob, and removes what other ended downloads of it have left. */
  async complete(): Promise<void> {
    await this.handle.sync();
    await this.#close();
    await rename(this.file, this.blob);
    for (const left of await leftOf(this.blob)) await rm(left, { force: true });
  }

  /** Leaves it to the next download. */
  async leave(): Promise<void> {
    await this.#close();
    if (this.#bytes === 0) await rm(this.file, { force: true });
    else await rename(this.file, `${this.blob}${OURS}${ENDING}`);
  }

  async #close(): Promise<void> {
    writing.delete(this.file);
    await this.handle.close();
  }
}

/** Whether the file could be moved: of several that try, one succeeds. */
async function taken(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** What ended downloads of a blob have left, the largest first. */
async function leftOf(blob: string): Promise<string[]> {
  const folder = dirname(blob);
  const start = basename(blob) + OURS;
  const left: { file: string; size: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start) || !name.endsWith(ENDING)) continue;
    const file = join(folder, name);
    const status = await stat(file).catch(() => undefined);
    const owner = name.slice(start.length, -ENDING.length);
    if (!status || isAlive(owner, file, status.mtimeMs)) continue;
    left.push({ file, size: status.size });
  }
  return left.sort((a, b) => b.size - a.size).map(({ file }) => file);
}

/** Whether the download that writes a file still runs. */
function isAlive(owner: string, file: string, written: number): boolean {
  const [, host, pid, thread] = /^-(\w+)-(\d+)-(\d+)-\d+$/.exec(owner) ?? [];
  if (host === undefined || Date.now() - written > SILENCE_MS) return false;
  // Another machine's processes cannot be asked for.
  if (host !== HOST) return true;
  if (Number(pid) !== process.pid) return isRunning(Number(pid));
  // In a container, an earlier life of the program had the same id.
  return Number(thread) !== threadId || writing.has(file);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user exists as well.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
