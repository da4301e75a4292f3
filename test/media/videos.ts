/** Videos for tests, and an ffmpeg that tells its process. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { findFfmpeg } from "../../lib/media/ffmpeg.js";
import type { RawImage } from "../../lib/media/image.js";
import { videoFrames, videoWriter } from "../../lib/media/video.js";
import { plain } from "./drawing.js";

/** A folder that is gone when this process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "torchsight-video-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs ffmpeg with arguments. */
export async function ffmpeg(...args: string[]): Promise<void> {
  const { path } = await findFfmpeg();
  await promisify(execFile)(path, ["-nostdin", "-loglevel", "error", "-y", ...args]);
}

/** Grey level of frame `index` in the videos of {@link numbered}. */
export const levelOf = (index: number) => 20 + 10 * index;

/** Writes a video whose frames are told apart by their grey level. */
export async function numbered(
  path: string,
  { frames = 20, fps = 10, width = 64, height = 48 } = {},
): Promise<string> {
  await using video = videoWriter(path, { width, height, fps });
  for (let index = 0; index < frames; index += 1) {
    await video.write(plain(width, height, levelOf(index) % 256));
  }
  return path;
}

/** The frame of {@link numbered} that a picture shows. */
export function numberOf({ data }: RawImage): number {
  // Plus 0, since the codec may make the first frame a little darker, and -0 is not 0.
  return Math.round((data[data.length >> 1]! - levelOf(0)) / 10) + 0;
}

/** Places and times of all frames. */
export async function timesOf(...args: Parameters<typeof videoFrames>) {
  const times: [index: number, time: number][] = [];
  for await (const { index, time } of videoFrames(...args)) times.push([index, time]);
  return times;
}

/** A program that writes its process id next to itself and becomes ffmpeg. */
export async function tracedFfmpeg(folder: string) {
  const { path } = await findFfmpeg();
  const program = join(folder, "ffmpeg.sh");
  const trace = '[ "$1" = -version ] || echo $$ > "$0.pid"';
  writeFileSync(program, `#!/bin/sh\n${trace}\nexec "${path}" "$@"\n`, { mode: 0o755 });
  return {
    program,
    /** The process of the last run. */
    pid: () => Number(readFileSync(`${program}.pid`, "utf8")),
  };
}

/** Whether a process ends within some seconds. */
export async function ends(pid: number): Promise<boolean> {
  for (let waited = 0; isRunning(pid) && waited < 5000; waited += 20) await sleep(20);
  return !isRunning(pid);
}

/** Whether a process runs. One that ended and that nobody has asked about yet does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const status = `/proc/${pid}/stat`;
    return !existsSync(status) || !/\) [ZX] /.test(readFileSync(status, "utf8"));
  } catch {
    return false;
  }
}
