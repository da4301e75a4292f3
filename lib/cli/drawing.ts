/** Pictures and videos with boxes drawn on them, written beside the results of a command. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type DrawnBox, drawBoxes } from "../media/draw.js";
import { type RawImage, writeImage } from "../media/image.js";
import type { MediaSource } from "../media/sources.js";
import { type VideoWriter, videoWriter } from "../media/video.js";

/** Frames a second of a video whose only frame does not tell. */
const LONE_FRAME_RATE = 1;

/** A frame that waits for the next one's time to tell the rate. */
interface Waiting {
  drawn: RawImage;
  time: number;
}

export class Drawing {
  #video: VideoWriter | undefined;
  #waiting: Waiting | undefined;
  #path = "";

  constructor(
    /** A file for one source, a folder for several; undefined: nothing is drawn. */
    private readonly target: string | undefined,
    private readonly sources: readonly MediaSource[],
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
    if (this.target === undefined) return;
    const drawn = await drawBoxes(image, boxes, { labels: this.labels });
    this.#path = this.#pathOf(this.target, this.sources[source]!.file);
    if (time === undefined) await writeImage(drawn, this.#path);
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
    this.#video = videoWriter(this.#path, { width, height, fps: rate, signal: this.signal });
    return this.#video;
  }

  #pathOf(target: string, file: string): string {
    const isFolder = existsSync(target) && statSync(target).isDirectory();
    if (this.sources.length === 1 && !isFolder) return target;
    mkdirSync(target, { recursive: true });
    return join(target, basename(file));
  }
}
