/** The frames of videos, by a child process that runs ffmpeg. */
import { resolve } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { FfmpegRun, findFfmpeg } from "./ffmpeg.js";
import { FrameClock, type FrameTime } from "./frame_clock.js";
import { MAX_PIXELS, type RawImage } from "./image.js";
import { requireFile } from "./paths.js";
import { readPpm } from "./ppm.js";

export { isVideo } from "./kinds.js";
export {
  VIDEO_ENDINGS,
  type VideoWriter,
  type VideoWriterOptions,
  videoWriter,
} from "./video_writer.js";

/** A picture of a video. */
export interface VideoFrame extends FrameTime {
  /** 3 channels, upright. */
  image: RawImage;
}

/** Which frames are read. */
export interface VideoOptions {
  /** Ends the reading, and ffmpeg with it. */
  signal?: AbortSignal | undefined;
  /** One frame of so many: 0, `every`, 2 `every`, … Default 1. Not together with `fps`. */
  every?: number | undefined;
  /**
   * At most so many frames a second: of each 1/`fps` of a second its first frame. Frames are never
   * repeated. Not together with `every`.
   */
  fps?: number | undefined;
  /** At most so many frames in all. */
  limit?: number | undefined;
}

/**
 * Containers that are opened. Playlists and the like, whose files name other files to be opened,
 * are not among them.
 */
const CONTAINERS =
  "mov,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,flv,asf,ogg,nut," +
  "yuv4mpegpipe,ivf,mjpeg,mxf,dv";

/**
 * Reads the frames of a video, one at a time, turned as its rotation metadata says.
 *
 * ffmpeg decodes no further ahead than its pipe holds, so memory is bounded by a few frames. It
 * ends when the loop does, with the signal, and with this process. A file that ends early gives
 * what is there; anamorphic pixels are not stretched; where frames change their size, they are
 * brought to that of the first.
 *
 * @throws `NOT_FOUND` for a missing file, `BAD_INPUT` for what is not a video, `CANCELLED` where
 *   the signal ended the reading, `UNSUPPORTED` where there is no ffmpeg; see {@link findFfmpeg}.
 *
 * @example
 * ```ts
 * for await (const { image, time } of videoFrames("street.mp4", { fps: 2 })) {
 *   console.log(time, await model.detect(image, ["a car"]));
 * }
 * ```
 */
export function videoFrames(path: string, options: VideoOptions = {}): AsyncIterable<VideoFrame> {
  const { every, fps, limit } = options;
  if (typeof path !== "string") throw invalidArgument("the video", "a path", path);
  for (const [name, value] of Object.entries({ every, limit })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw invalidArgument(name, "a whole number above 0", value);
    }
  }
  if (fps !== undefined && !(fps > 0 && fps <= 1000)) {
    throw invalidArgument("fps", "a number above 0 and up to 1000", fps);
  }
  if (fps !== undefined && every !== undefined) {
    throw invalidArgument("every and fps", "one of both", { every, fps });
  }
  return frames(path, options);
}

async function* frames(path: string, options: VideoOptions): AsyncGenerator<VideoFrame, void> {
  const { signal } = options;
  const cancelled = () =>
    new TorchsightError("CANCELLED", `reading ${path} was cancelled`, { cause: signal?.reason });
  if (signal?.aborted) throw cancelled();
  await requireFile(path, "a video");
  const { path: program, passthrough } = await findFfmpeg();
  const clock = new FrameClock(options);
  const run = new FfmpegRun(
    program,
    [
      ...["-nostdin", "-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS],
      // Absolute and with its protocol, so that no name is taken for an option or an address.
      ...["-max_pixels", String(MAX_PIXELS), "-i", `file:${resolve(path)}`],
      ...["-map", "0:V:0", "-vf", clock.filters, ...passthrough],
      ...(options.limit === undefined ? [] : ["-frames:v", String(options.limit)]),
      ...["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"],
    ],
    (line) => clock.read(line),
  );
  const abort = () => run.kill();
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  let count = 0;
  try {
    void run.ended.then(() => clock.end());
    for await (const image of readPpm(run.stdout)) {
      const time = await clock.next();
      if (signal?.aborted || time === undefined) break;
      count += 1;
      // A reader that stops without ending the loop must not keep the process alive.
      run.hold(false);
      yield { image, ...time };
      run.hold(true);
    }
    if (signal?.aborted) throw cancelled();
    const { code } = await run.ended;
    if (code !== 0 || count === 0) {
      const why = code === 0 ? "it has no frames" : await run.reason();
      throw new TorchsightError("BAD_INPUT", `expected a video for ${path}: ${why}`);
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    run.kill();
    // Held again, since the loop may have been left while it was not.
    run.hold(true);
    await run.ended;
  }
}
