/** Frames as a picture, a video or a folder. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { TorchsightError } from "../../lib/core/errors.js";
import { framesForm, writeFrames } from "../../lib/media/frames_writer.js";
import { decodeImage, type RawImage } from "../../lib/media/image.js";
import { plain } from "./drawing.js";
import { temporaryFolder } from "./videos.js";

const folder = temporaryFolder();
const greys = [40, 90, 200].map((level) => plain(16, 12, level));

test("the path and the number of frames tell the form", (t) => {
  const there = join(folder, "there.mp4");
  mkdirSync(there);
  for (const [path, count, form] of [
    ["a.png", 1, "picture"],
    ["a.JPG", 1, "picture"],
    ["a.webp", 1, "picture"],
    ["a.webp", 2, "video"],
    ["a.gif", 2, "video"],
    ["a.mp4", 1, "video"],
    ["a.Y4M", 9, "video"],
    ["frames", 1, "folder"],
    [there, 3, "folder"],
  ] as const) {
    t.is(framesForm(path, count), form, `${path}, ${count}`);
  }
  for (const [path, count] of [
    ["a.png", 2],
    ["a.txt", 1],
  ] as const) {
    const error = t.throws<TorchsightError>(() => framesForm(path, count));
    t.is(error?.code, "BAD_INPUT", path);
  }
});

test("a folder is made, and filled in order", async (t) => {
  const path = join(folder, "frames");
  await writeFrames(path, greys, { fps: 8, count: 3 });
  t.deepEqual(readdirSync(path), ["00000.png", "00001.png", "00002.png"]);
  for (const [at, grey] of greys.entries()) {
    t.deepEqual((await decodeImage(join(path, `0000${at}.png`))).data, grey.data);
  }
});

test("one frame is a picture, several are an animation", async (t) => {
  const [one, path] = [join(folder, "one.webp"), join(folder, "several.webp")];
  await writeFrames(one, greys.slice(0, 1), { fps: 8, count: 1 });
  t.is((await sharp(one, { animated: true }).metadata()).pages ?? 1, 1);
  await writeFrames(path, greys, { fps: 8, count: 3 });
  const { pages, loop, delay } = await sharp(path, { animated: true }).metadata();
  t.deepEqual([pages, loop, delay], [3, 0, [125, 125, 125]]);
});

test("a failure of the frames is told, and leaves no video", async (t) => {
  async function* failing(): AsyncGenerator<RawImage> {
    yield greys[0]!;
    throw new TorchsightError("INTERNAL", "no more");
  }
  const path = join(folder, "failed.mp4");
  const error = await t.throwsAsync(writeFrames(path, failing(), { fps: 8, count: 2 }));
  t.is(error?.message, "no more");
  t.false(existsSync(path));
});

test("a missing folder is told before anything is written", async (t) => {
  for (const name of ["a.mp4", "a.png", "frames"]) {
    const path = join(folder, "no", name);
    const writing = writeFrames(path, greys.slice(0, 1), { fps: 8, count: 1 });
    t.is((await t.throwsAsync<TorchsightError>(writing))?.code, "NOT_FOUND", name);
  }
});

test("a cancel ends it", async (t) => {
  const signal = AbortSignal.abort();
  for (const name of ["cancelled", "cancelled.mp4"]) {
    const writing = writeFrames(join(folder, name), greys, { fps: 8, count: 3, signal });
    t.is((await t.throwsAsync<TorchsightError>(writing))?.code, "CANCELLED", name);
    t.false(existsSync(join(folder, name)), name);
  }
  t.deepEqual(
    readdirSync(folder).filter((name) => name.includes("cancelled")),
    [],
  );
});

test("a file is not taken for a folder", async (t) => {
  const path = join(folder, "file");
  writeFileSync(path, "");
  const error = await t.throwsAsync<TorchsightError>(
    writeFrames(path, greys, { fps: 8, count: 3 }),
  );
  t.is(error?.code, "BAD_INPUT");
});
