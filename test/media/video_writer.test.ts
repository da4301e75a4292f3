import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { RawImage } from "../../lib/media/image.js";
import {
  type VideoFrame,
  type VideoWriterOptions,
  videoFrames,
  videoWriter,
} from "../../lib/media/video.js";
import { plain } from "./drawing.js";
import { ends, isRunning, temporaryFolder, tracedFfmpeg } from "./videos.js";

const folder = temporaryFolder();
const size = { width: 32, height: 32, fps: 10 };

async function framesOf(path: string): Promise<VideoFrame[]> {
  const frames: VideoFrame[] = [];
  for await (const frame of videoFrames(path)) frames.push(frame);
  return frames;
}

/** A picture whose halves have two colours. */
function halves(width: number, height: number, left: number[], right: number[]): RawImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i += 1) {
    data.set(i % width < width / 2 ? left : right, 3 * i);
  }
  return { data, width, height, channels: 3 };
}

for (const ending of ["mp4", "webm", "gif", "y4m", "MP4"]) {
  test(`${ending}: frames, colours and rate come back`, async (t) => {
    const path = join(folder, `colours.${ending}`);
    const [width, height] = [65, 49];
    const [left, right] = [
      [240, 30, 60],
      [20, 90, 200],
    ];
    const video = videoWriter(path, { width, height, fps: 12.5 });
    for (let i = 0; i < 5; i += 1) await video.write(halves(width, height, left, right));
    t.false(existsSync(path), "the file appears when it is whole");
    await video.close();
    const frames = await framesOf(path);
    t.deepEqual(
      frames.map(({ time }) => time),
      [0, 0.08, 0.16, 0.24, 0.32],
    );
    for (const { image } of frames) {
      const padded = ["gif", "y4m"].includes(ending) ? [65, 49] : [66, 50];
      t.deepEqual([image.width, image.height], padded);
      for (const [x, colour] of [
        [10, left],
        [55, right],
      ] as const) {
        const place = (20 * image.width + x) * 3;
        const off = colour.map((value, i) => Math.abs(value - image.data[place + i]!));
        t.true(Math.max(...off) <= 6, `${image.data.subarray(place, place + 3)}`);
      }
    }
  });
}

test("a rate that is no whole number is kept", async (t) => {
  const path = join(folder, "rate.mp4");
  const video = videoWriter(path, { ...size, fps: 30000 / 1001 });
  for (let i = 0; i < 31; i += 1) await video.write(plain(32, 32, 90));
  await video.close();
  const { time } = (await framesOf(path)).at(-1)!;
  t.true(Math.abs(time - 1.001) < 1e-3, `${time}`);
});

test("grey pictures and pictures with transparency are taken", async (t) => {
  const path = join(folder, "channels.mp4");
  {
    await using video = videoWriter(path, size);
    for (const channels of [1, 2, 3, 4]) {
      const data = new Uint8Array(32 * 32 * channels).fill(100);
      await video.write({ data, width: 32, height: 32, channels });
    }
  }
  const frames = await framesOf(path);
  t.is(frames.length, 4);
  for (const { image } of frames) t.true(Math.abs(image.data[100]! - 100) <= 3);
});

test("an existing file is replaced by a whole one or not at all", async (t) => {
  const path = join(folder, "kept.mp4");
  writeFileSync(path, "before");
  const abort = new AbortController();
  const video = videoWriter(path, { ...size, signal: abort.signal });
  await video.write(plain(32, 32, 1));
  abort.abort("enough");
  const error = await t.throwsAsync(video.write(plain(32, 32, 2)), { code: "CANCELLED" });
  t.is(error?.cause, "enough");
  await t.throwsAsync(video.close(), { code: "CANCELLED" });
  t.is(readFileSync(path, "utf8"), "before");
  t.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith(".kept")),
    [],
  );
  {
    await using again = videoWriter(path, size);
    await again.write(plain(32, 32, 3));
  }
  t.is((await framesOf(path)).length, 1);
});

test("without a frame there is no file", async (t) => {
  const path = join(folder, "nothing.mp4");
  await videoWriter(path, size).close();
  t.false(existsSync(path));
});

test("closing twice is closing once, writing after it is refused", async (t) => {
  const path = join(folder, "twice.gif");
  const video = videoWriter(path, size);
  await video.write(plain(32, 32, 50));
  await Promise.all([video.close(), video.close()]);
  await t.throwsAsync(video.write(plain(32, 32, 50)), { code: "DISPOSED" });
  t.is((await framesOf(path)).length, 1);
});

test("a failure in the block is not hidden by that of closing", async (t) => {
  const missing = join(folder, "none", "a.mp4");
  const writing = async () => {
    await using video = videoWriter(missing, size);
    await video.write(plain(32, 32, 0));
  };
  await t.throwsAsync(writing, { code: "NOT_FOUND", message: /there is no folder/ });
  const abort = new AbortController();
  const cancelling = async () => {
    await using video = videoWriter(join(folder, "a.mp4"), { ...size, signal: abort.signal });
    await video.write(plain(32, 32, 0));
    abort.abort();
    throw new Error("in the block");
  };
  await t.throwsAsync(cancelling, { message: "in the block" });
});

test("a name that a folder has is refused, and nothing is left behind", async (t) => {
  const path = join(folder, "folder.mp4");
  mkdirSync(path);
  const video = videoWriter(path, size);
  await video.write(plain(32, 32, 0));
  await t.throwsAsync(video.close(), { code: "BAD_INPUT", message: /can be written/ });
  t.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith(".folder")),
    [],
  );
});

test("frames of another size are refused, the rest goes on", async (t) => {
  const path = join(folder, "sizes.gif");
  const video = videoWriter(path, size);
  await video.write(plain(32, 32, 0));
  await t.throwsAsync(video.write(plain(31, 32, 0)), { code: "BAD_INPUT", message: /32 x 32/ });
  await t.throwsAsync(video.write(undefined as unknown as RawImage), { code: "BAD_INPUT" });
  await video.write(plain(32, 32, 200));
  await video.close();
  t.is((await framesOf(path)).length, 2);
});

for (const [name, path, options] of [
  ["an unknown ending", "a.txt", size],
  ["no ending", "a", size],
  ["no width", "a.mp4", { ...size, width: 0 }],
  ["half a pixel", "a.mp4", { ...size, height: 1.5 }],
  ["no rate", "a.mp4", { ...size, fps: 0 }],
  ["a missing rate", "a.mp4", { width: 9, height: 9 }],
] as const) {
  test(`refused: ${name}`, (t) => {
    t.throws(() => videoWriter(path, options as VideoWriterOptions), { code: "BAD_INPUT" });
  });
}

test.serial("an abort ends ffmpeg", async (t) => {
  const { program, pid } = await tracedFfmpeg(folder);
  process.env.TORCHSIGHT_FFMPEG = program;
  t.teardown(() => {
    delete process.env.TORCHSIGHT_FFMPEG;
  });
  const abort = new AbortController();
  const video = videoWriter(join(folder, "abort.mp4"), { ...size, signal: abort.signal });
  // More than the pipe holds, so that it runs once this is taken.
  for (let i = 0; i < 100; i += 1) await video.write(plain(32, 32, 0));
  const child = pid();
  t.true(isRunning(child));
  abort.abort();
  t.true(await ends(child));
  await t.throwsAsync(video.close(), { code: "CANCELLED" });
});

test.serial("an ffmpeg that fails is told of by what it said", async (t) => {
  const program = join(folder, "failing.sh");
  const script =
    '#!/bin/sh\n[ "$1" = -version ] && exit 0\necho "Unknown encoder \'libx264\'" >&2\nexit 1\n';
  writeFileSync(program, script, { mode: 0o755 });
  process.env.TORCHSIGHT_FFMPEG = program;
  t.teardown(() => {
    delete process.env.TORCHSIGHT_FFMPEG;
  });
  const writing = async () => {
    await using video = videoWriter(join(folder, "failing.mp4"), size);
    for (let i = 0; i < 1000; i += 1) await video.write(plain(32, 32, 0));
  };
  await t.throwsAsync(writing, { code: "UNSUPPORTED", message: /Unknown encoder 'libx264'/ });
});
