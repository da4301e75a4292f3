/** Writes pictures as a video, by a child process that runs ffmpeg. */
import { extname } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { FfmpegRun, findFfmpeg } from "./ffmpeg.js";
import { decodeImage, type RawImage } from "./image.js";
import { requireFolderOf } from "./paths.js";
import { partialOf, publish, removePartial, spaceReason } from "./whole.js";

/** What a video is to be. */
export interface VideoWriterOptions {
  /** Pixels of each frame. */
  width: number;
  height: number;
  /** Frames a second. */
  fps: number;
  /** Ends the writing; then there is no file. */
  signal?: AbortSignal | undefined;
}

/**
 * A video that is being written. Disposing of it closes it; then it is silent about failures that
 * `write` told of, and about a cancel.
 */
export interface VideoWriter extends AsyncDisposable {
  /** Appends a frame; resolves when ffmpeg has taken it, so that frames do not pile up. */
  write(image: RawImage): Promise<void>;
  /** Finishes the file, which appears only then. Where no frame was written there is none. */
  close(): Promise<void>;
}

/** The eye's colours to the screen's, as players expect them of a picture of any size. */
const TO_VIDEO = [
  "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int",
  // Colours are stored for squares of two pixels.
  "pad=ceil(iw/2)*2:ceil(ih/2)*2",
  "format=yuv420p",
].join(",");
const TAGS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"];

/** A palette for each frame, so that frames need not be kept until all are known. */
const TO_PALETTE = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1";

/** ffmpeg's options for each ending. */
const FORMATS = {
  ".mp4": [
    ...["-vf", TO_VIDEO, "-c:v", "libx264", "-crf", "18", ...TAGS, "-color_range", "tv"],
    // The index goes to the front, so that a browser can begin before it has the whole file.
    ...["-movflags", "+faststart", "-f", "mp4"],
  ],
  ".webm": [
    ...["-vf", TO_VIDEO, "-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", ...TAGS],
    ...["-color_range", "tv", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1", "-f", "webm"],
  ],
  ".gif": ["-filter_complex", TO_PALETTE, "-f", "gif"],
  ".webp": ["-c:v", "libwebp_anim", "-quality", "92", "-loop", "0", "-f", "webp"],
  // The format cannot tell which matrix was used: that of standard definition is taken for granted.
  ".y4m": ["-vf", "scale=flags=accurate_rnd", "-pix_fmt", "yuv444p", "-f", "yuv4mpegpipe"],
} as const satisfies Record<string, readonly string[]>;

/** Endings of the formats that {@link videoWriter} writes, in any case. */
export const VIDEO_ENDINGS = Object.keys(FORMATS) as (keyof typeof FORMATS)[];

/**
 * Writes a video in the format of the file's ending: mp4 (H.264), webm (VP9), gif, webp (animated)
 * or y4m (raw). An existing file is replaced once the new one is whole. In mp4 and webm a side that
 * is odd is padded by one black pixel.
 *
 * @throws `BAD_INPUT` for another ending, sizes or rates that are none, frames of another size, and
 *   files that cannot be written, with the reason `NO_SPACE` where there is no room for them;
 *   `NOT_FOUND` for a missing folder; `UNSUPPORTED` where there is no ffmpeg or it cannot write the
 *   format; `CANCELLED` where the signal ended the writing.
 *
 * @example
 * ```ts
 * await using video = videoWriter("boxes.mp4", { width: 640, height: 360, fps: 25 });
 * for await (const { image } of videoFrames("street.mp4")) {
 *   await video.write(await drawBoxes(image, await model.detect(image, ["a car"])));
 * }
 * ```
 */
export function videoWriter(path: string, options: VideoWriterOptions): VideoWriter {
  return new FfmpegWriter(path, options);
}

class FfmpegWriter implements VideoWriter {
  readonly #path: string;
  readonly #options: VideoWriterOptions;
  readonly #format: readonly string[];
  /** Where the file grows, so that an existing one is replaced by a whole one or not at all. */
  readonly #partial: string;
  #run: Promise<FfmpegRun> | undefined;
  #closed: Promise<void> | undefined;
  /** Resolves when the run has ended and nothing is left of one that failed. */
  #cleared: Promise<void> | undefined;
  #told = false;

  constructor(path: string, options: VideoWriterOptions) {
    const { width, height, fps } = options;
    for (const [name, value] of Object.entries({ width, height })) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw invalidArgument(name, "a whole number above 0", value);
      }
    }
    if (!(fps > 0 && fps <= 1000)) {
      throw invalidArgument("fps", "a number above 0 and up to 1000", fps);
    }
    const given = typeof path === "string" ? extname(path).toLowerCase() : undefined;
    const ending = VIDEO_ENDINGS.find((one) => one === given);
    if (!ending) {
      const expected = `an ending of ${VIDEO_ENDINGS.join(", ")}`;
      throw invalidArgument("the video's file", expected, path);
    }
    this.#path = path;
    this.#options = options;
    this.#format = FORMATS[ending];
    this.#partial = partialOf(path);
  }

  async write(image: RawImage): Promise<void> {
    const { width, height, signal } = this.#options;
    if (this.#closed) throw new TorchsightError("DISPOSED", `${this.#path} is closed already`);
    if (signal?.aborted) throw this.#cancelled();
    const { data, ...size } = await decodeImage(image);
    if (size.width !== width || size.height !== height) {
      throw invalidArgument("the frame", `${width} x ${height} pixels`, size);
    }
    this.#run ??= this.#start();
    const run = await this.#run;
    const failed = await new Promise((resolve) => run.stdin.write(data, resolve));
    if (!failed) return;
    this.#told = true;
    throw await this.#failure(run);
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.close();
    } catch (error) {
      // What ends the block already must not be hidden behind a second error.
      if (!this.#told && !this.#options.signal?.aborted) throw error;
    }
  }

  async #start(): Promise<FfmpegRun> {
    const { width, height, fps, signal } = this.#options;
    await requireFolderOf(this.#path);
    const { path: program } = await findFfmpeg();
    const run = new FfmpegRun(program, [
      ...["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`],
      ...["-framerate", String(fps), "-i", "pipe:0", ...this.#format],
      // What cannot be written at the very end is an error, too.
      ...["-xerror", "-y", `file:${this.#partial}`],
    ]);
    run.stdout.resume();
    // A video that is never closed must not keep the process alive.
    run.hold(false);
    const abort = () => run.kill();
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    this.#cleared = run.ended.then(async ({ code }) => {
      signal?.removeEventListener("abort", abort);
      if (code !== 0) await removePartial(this.#partial);
    });
    return run;
  }

  async #finish(): Promise<void> {
    // Where it could not start, `write` has told why.
    const run = await this.#run?.catch(() => undefined);
    if (!run) return;
    run.hold(true);
    run.stdin.end();
    const { code } = await run.ended;
    if (code !== 0) throw await this.#failure(run);
    await publish(this.#partial, this.#path);
  }

  /** Tells why a run failed, once it is cleared up. */
  async #failure(run: FfmpegRun): Promise<TorchsightError> {
    run.hold(true);
    await this.#cleared;
    const why = await run.reason();
    if (this.#options.signal?.aborted) return this.#cancelled();
    const missing = /Unknown encoder|Encoder not found/i.test(why);
    const message = `expected ffmpeg to write ${this.#path}: ${why}`;
    const reason = spaceReason(why);
    return new TorchsightError(missing ? "UNSUPPORTED" : "BAD_INPUT", message, { reason });
  }

  #cancelled(): TorchsightError {
    const cause = this.#options.signal?.reason;
    return new TorchsightError("CANCELLED", `writing ${this.#path} was cancelled`, { cause });
  }
}
