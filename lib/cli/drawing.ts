/** Pictures and videos with boxes drawn on them, written beside the results of a command. */
import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { type DrawnBox, drawBoxes } from "../media/draw.js";
import { IMAGE_ENDINGS, type RawImage, writeImage } from "../media/image.js";
import type { MediaKind } from "../media/kinds.js";
import { requireFolderOf } from "../media/paths.js";
import type { MediaSource } from "../media/sources.js";
import { VIDEO_ENDINGS, type VideoWriter, videoWriter } from "../media/video.js";
import { usage } from "./arguments.js";

/** Endings of files that can be written. What has another is written with the first. */
const ENDINGS: Readonly<Record<MediaKind, readonly string[]>> = {
  image: IMAGE_ENDINGS,
  video: VIDEO_ENDINGS,
};

/** Frames a second of a video whose only frame does not tell. */
const LONE_FRAME_RATE = 1;

/**
 * The file that each source is drawn to: `target` itself for one source, else one in the folder
 * `target`, which is made, under the source's name.
 *
 * @throws `USAGE` where that cannot be, or would be a source; `NOT_FOUND` for a missing folder.
 */
export async function drawnFiles(
  target: string,
  sources: readonly MediaSource[],
): Promise<string[]> {
  const folder = isFolder(target, sources);
  const files = folder ? filesIn(target, sources) : [target];
  const originals = new Set(sources.map(({ file }) => realpathSync(file)));
  const lost = files.find((file) => existsSync(file) && originals.has(realpathSync(file)));
  if (lost !== undefined) {
    throw usage(`expected another place than the source's for --draw but received ${lost}`);
  }
  if (folder) mkdirSync(target, { recursive: true });
  else await requireFolderOf(target);
  return files;
}

function isFolder(target: string, [first, ...others]: readonly MediaSource[]): boolean {
  if (existsSync(target) && statSync(target).isDirectory()) return true;
  const ending = extname(target).toLowerCase();
  if (others.length > 0) {
    const isFile = existsSync(target) || Object.values(ENDINGS).flat().includes(ending);
    if (isFile) throw usage(`expected a folder for --draw of several but received ${target}`);
    return true;
  }
  if (ending === "") return true;
  const known = ENDINGS[first?.kind ?? "image"];
  if (known.includes(ending)) return false;
  throw usage(`expected a file with an ending of ${known.join(", ")} for --draw: ${target}`);
}

/** Names of the sources, told apart where they are the same. */
function filesIn(folder: string, sources: readonly MediaSource[]): string[] {
  const taken = new Set<string>();
  return sources.map(({ file, kind }) => {
    const given = extname(file);
    const name = basename(file, given);
    const ending = ENDINGS[kind].includes(given.toLowerCase()) ? given : ENDINGS[kind][0];
    let free = `${name}${ending}`;
    for (let count = 2; taken.has(free); count += 1) free = `${name}-${count}${ending}`;
    taken.add(free);
    return join(folder, free);
  });
}

/** A frame that waits for the next one's time to tell the rate. */
interface Waiting {
  drawn: RawImage;
  time: number;
}

/** What is drawn. Disposed of before the last file is complete, it leaves none of that file. */
export class Drawing implements AsyncDisposable {
  readonly #abort = new AbortController();
  #video: VideoWriter | undefined;
  #waiting: Waiting | undefined;
  #path = "";

  constructor(
    /** A file for each source; none: nothing is drawn. */
    private readonly files: readonly string[],
    private readonly labels: readonly string[],
    private readonly signal: AbortSignal,
  ) {}

  /** Draws one picture or, with a time, the next frame of a video. */
  async add(
    source: number,
    image: RawImage,
    boxes: readonly DrawnBox[],
    time: number | undefined,
  ): Promise<void> {
    const file = this.files[source];
    if (file === undefined) return;
    this.#path = file;
    const drawn = await drawBoxes(image, boxes, { labels: this.labels });
    if (time === undefined) await writeImage(drawn, file);
    else await this.#addFrame({ drawn, time });
  }

  /** Completes the file of the last source. */
  async finish(): Promise<void> {
    const { drawn } = this.#waiting ?? {};
    if (drawn) await this.#open(drawn, LONE_FRAME_RATE).write(drawn);
    await this.#video?.close();
    this.#video = undefined;
    this.#waiting = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#video?.[Symbol.asyncDispose]();
  }

  async #addFrame(frame: Waiting): Promise<void> {
    if (!this.#video && !this.#waiting) {
      this.#waiting = frame;
      return;
    }
    if (this.#waiting) {
      const { drawn, time } = this.#waiting;
      this.#waiting = undefined;
      await this.#open(drawn, 1 / Math.max(1e-3, frame.time - time)).write(drawn);
    }
    await this.#video!.write(frame.drawn);
  }

  #open({ width, height }: RawImage, fps: number): VideoWriter {
    const rate = Math.round(fps * 1000) / 1000;
    const signal = AbortSignal.any([this.signal, this.#abort.signal]);
    this.#video = videoWriter(this.#path, { width, height, fps: rate, signal });
    return this.#video;
  }
}
