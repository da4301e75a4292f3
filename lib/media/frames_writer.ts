/** Writes pictures that follow each other in whatever form a path asks for. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import { findFfmpeg } from "./ffmpeg.js";
import { IMAGE_ENDINGS, type RawImage, writeImage } from "./image.js";
import { requireFolderOf } from "./paths.js";
import { VIDEO_ENDINGS, type VideoWriter, videoWriter } from "./video_writer.js";
import { partialOf, publish, removePartial } from "./whole.js";

/** What frames are written as. */
export type FramesForm = "picture" | "video" | "folder";

/** How frames are written. */
export interface FramesOptions {
  /** Frames a second. */
  fps: number;
  /** How many there are. */
  count: number;
  /** Ends the writing. */
  signal?: AbortSignal | undefined;
}

/**
 * The form that a path asks for: a video by its ending, a picture by its ending where there is one
 * frame, a folder where there is one already or the path has no ending.
 *
 * @throws `BAD_INPUT` for another ending, and for one of a picture where there are several frames
 */
export function framesForm(path: string, count: number): FramesForm {
  if (existsSync(path) && statSync(path).isDirectory()) return "folder";
  const ending = extname(path).toLowerCase();
  const among = (endings: readonly string[]) => endings.includes(ending);
  if (ending === "") return "folder";
  if (count === 1 && among(IMAGE_ENDINGS)) return "picture";
  if (among(VIDEO_ENDINGS)) return "video";
  const expected = `an ending of ${VIDEO_ENDINGS.join(", ")}, or a folder`;
  throw invalidArgument(count === 1 ? "the file" : "the file of several frames", expected, path);
}

/**
 * The form that a path asks for, once it is sure that frames can be written there: for what takes
 * long to make.
 *
 * @throws what {@link framesForm} throws; `NOT_FOUND` for a missing folder; `UNSUPPORTED` where a
 *   video is asked for and there is no ffmpeg
 */
export async function readyFor(path: string, count: number): Promise<FramesForm> {
  const form = framesForm(path, count);
  await requireFolderOf(path);
  if (form === "video") await findFfmpeg();
  return form;
}

/**
 * Writes frames in the form that {@link framesForm} tells. In a folder, which is made where it is
 * missing, they are `00000.png`, `00001.png`, …
 *
 * @throws what {@link writeImage} and {@link videoWriter} throw; `CANCELLED` where the signal ended
 *   the writing
 */
export async function writeFrames(
  path: string,
  frames: Iterable<RawImage> | AsyncIterable<RawImage>,
  { fps, count, signal }: FramesOptions,
): Promise<void> {
  const form = framesForm(path, count);
  if (form === "video") return await writeVideo(path, frames, fps, signal);
  if (form === "folder") return await writeFolder(path, frames, signal);
  for await (const frame of frames) {
    refuseCancelled(path, signal);
    await writeImage(frame, path);
  }
}

function refuseCancelled(path: string, signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new TorchsightError("CANCELLED", `writing ${path} was cancelled`);
}

/** A folder that is there is filled; one that is not appears once it has all frames. */
async function writeFolder(
  path: string,
  frames: Iterable<RawImage> | AsyncIterable<RawImage>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const there = existsSync(path);
  if (there && !statSync(path).isDirectory()) {
    throw invalidArgument("the folder of the frames", "a folder", path);
  }
  await requireFolderOf(path);
  const folder = there ? path : partialOf(path);
  mkdirSync(folder, { recursive: true });
  try {
    let at = 0;
    for await (const frame of frames) {
      refuseCancelled(path, signal);
      await writeImage(frame, join(folder, `${String(at).padStart(5, "0")}.png`));
      at += 1;
    }
  } catch (error) {
    if (!there) await removePartial(folder);
    throw error;
  }
  if (!there) await publish(folder, path);
}

async function writeVideo(
  path: string,
  frames: Iterable<RawImage> | AsyncIterable<RawImage>,
  fps: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const abort = new AbortController();
  const ended = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
  let video: VideoWriter | undefined;
  try {
    for await (const frame of frames) {
      const { width, height } = frame;
      video ??= videoWriter(path, { width, height, fps, signal: ended });
      await video.write(frame);
    }
  } catch (error) {
    // A video that lacks frames is none.
    abort.abort();
    await video?.[Symbol.asyncDispose]();
    throw error;
  }
  await video?.close();
}
