import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import sharp from "sharp";
import { TorchsightError } from "../../lib/core/errors.js";
import { isVideo, type VideoOptions, videoFrames } from "../../lib/media/video.js";
import {
  ends,
  ffmpeg,
  isRunning,
  numbered,
  numberOf,
  temporaryFolder,
  timesOf,
  tracedFfmpeg,
} from "./videos.js";

const folder = temporaryFolder();
const clip = numbered(join(folder, "clip.mp4"));
const at = (...indices: number[]) => indices.map((index) => [index, index / 10]);

test("all frames, in order, with their pictures and times", async (t) => {
  let count = 0;
  for await (const { image, index, time } of videoFrames(await clip)) {
    t.deepEqual([image.width, image.height, image.channels], [64, 48, 3]);
    t.is(image.data.length, 64 * 48 * 3);
    t.is(index, count);
    t.is(time, count / 10);
    t.is(numberOf(image), count);
    count += 1;
  }
  t.is(count, 20);
});

test("one frame of so many, frames a second, and at most so many", async (t) => {
  const path = await clip;
  t.deepEqual(await timesOf(path, { every: 7 }), at(0, 7, 14));
  t.deepEqual(await timesOf(path, { fps: 2 }), at(0, 5, 10, 15));
  t.deepEqual(await timesOf(path, { fps: 4 }), at(0, 3, 5, 8, 10, 13, 15, 18));
  t.is((await timesOf(path, { fps: 10 })).length, 20);
  t.is((await timesOf(path, { fps: 29.97 })).length, 20);
  t.deepEqual(await timesOf(path, { every: 3, limit: 2 }), at(0, 3));
  t.deepEqual(await timesOf(path, { limit: 1 }), at(0));
  for await (const { image, index } of videoFrames(path, { fps: 3 })) t.is(numberOf(image), index);
});

test("times are right where frames come at no fixed rate", async (t) => {
  const path = join(folder, "uneven.mkv");
  const shown = [0, 40, 110, 300, 301, 950];
  const chosen = shown.map((time) => `eq(n,${time})`).join("+");
  await ffmpeg(
    ...["-f", "lavfi", "-i", "color=gray:size=32x32:rate=1000:duration=1"],
    ...["-vf", `select='${chosen}'`, "-vsync", "0", "-c:v", "libx264", path],
  );
  const seconds = shown.map((time, index) => [index, time / 1000]);
  t.deepEqual(await timesOf(path), seconds);
  t.deepEqual(
    await timesOf(path, { fps: 10 }),
    [0, 2, 3, 5].map((index) => seconds[index]),
  );
});

test("frames are turned as the file says", async (t) => {
  const path = join(folder, "turned.mp4");
  await ffmpeg("-i", await clip, "-c", "copy", "-metadata:s:v", "rotate=90", path);
  for await (const { image } of videoFrames(path, { limit: 1 })) {
    t.deepEqual([image.width, image.height], [48, 64]);
  }
});

test("names that look like options, patterns or addresses are names", async (t) => {
  const odd = join(folder, "odd");
  mkdirSync(odd);
  for (const name of ["-i.mp4", "http:evil.mp4", "concat:a|b.mp4", "%03d.mp4", "it's here;.mp4"]) {
    copyFileSync(await clip, join(odd, name));
    t.is((await timesOf(join(odd, name), { limit: 1 })).length, 1);
  }
  const working = process.cwd();
  process.chdir(odd);
  try {
    t.is((await timesOf("-i.mp4", { limit: 1 })).length, 1);
  } finally {
    process.chdir(working);
  }
  await t.throwsAsync(timesOf("http://127.0.0.1:9/a.mp4"), { code: "NOT_FOUND" });
  await t.throwsAsync(timesOf("pipe:0"), { code: "NOT_FOUND" });
});

test("files that name other files are not opened", async (t) => {
  const inner = await clip;
  for (const [name, text] of [
    ["concat.mp4", `ffconcat version 1.0\nfile ${inner}\n`],
    ["list.mp4", `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:${inner}\n#EXT-X-ENDLIST\n`],
  ] as const) {
    writeFileSync(join(folder, name), text);
    await t.throwsAsync(timesOf(join(folder, name)), { code: "BAD_INPUT" });
  }
});

test("a video that ends early gives what is there", async (t) => {
  const path = join(folder, "early.mkv");
  await ffmpeg("-i", await clip, "-c", "copy", path);
  truncateSync(path, Math.round(readFileSync(path).length * 0.8));
  const times = await timesOf(path);
  t.true(times.length > 1 && times.length < 20, `${times.length}`);
});

test("what is not a video is refused in one line", async (t) => {
  const text = join(folder, "text.mp4");
  writeFileSync(text, "hello ".repeat(100));
  const picture = join(folder, "picture.png");
  await sharp({ create: { width: 9, height: 9, channels: 3, background: "#123" } }).toFile(picture);
  const sound = join(folder, "sound.mp4");
  await ffmpeg("-f", "lavfi", "-i", "sine=duration=0.1", sound);
  const empty = join(folder, "empty.mp4");
  writeFileSync(empty, "");
  for (const [path, code, pattern] of [
    [text, "BAD_INPUT", /Invalid data found when processing input/],
    [picture, "BAD_INPUT", /its format is none of a video/],
    [sound, "BAD_INPUT", /there are no pictures in it/],
    [empty, "BAD_INPUT", /an empty file/],
    [folder, "BAD_INPUT", /a folder/],
    [join(folder, "none.mp4"), "NOT_FOUND", /there is no file/],
  ] as const) {
    const error = await t.throwsAsync(timesOf(path), {
      instanceOf: TorchsightError,
      code,
      message: pattern,
    });
    t.true(error!.message.includes(path));
    t.false(error!.message.includes("\n"));
  }
});

for (const [name, options] of [
  ["every 0", { every: 0 }],
  ["every 1.5", { every: 1.5 }],
  ["no frames a second", { fps: 0 }],
  ["NaN frames a second", { fps: Number.NaN }],
  ["fps and every", { fps: 1, every: 1 }],
  ["a limit of 0", { limit: 0 }],
] as const) {
  test(`refused: ${name}`, (t) => {
    t.throws(() => videoFrames("a.mp4", options as VideoOptions), { code: "BAD_INPUT" });
  });
}

test.serial(
  "ffmpeg ends with the loop, with the signal, and with a failure of the loop",
  async (t) => {
    const path = await numbered(join(folder, "long.mp4"), { frames: 100, width: 320, height: 240 });
    const { program, pid } = await tracedFfmpeg(folder);
    process.env.TORCHSIGHT_FFMPEG = program;
    t.teardown(() => {
      delete process.env.TORCHSIGHT_FFMPEG;
    });
    for await (const _ of videoFrames(path)) {
      t.true(isRunning(pid()));
      break;
    }
    t.false(isRunning(pid()), "after break");

    const failing = async () => {
      for await (const _ of videoFrames(path)) throw new Error("in the loop");
    };
    await t.throwsAsync(failing, { message: "in the loop" });
    t.false(isRunning(pid()), "after a throw");

    const abort = new AbortController();
    const reading = async () => {
      for await (const { index } of videoFrames(path, { signal: abort.signal })) {
        if (index === 2) abort.abort("enough");
        t.true(index <= 2);
      }
    };
    const error = await t.throwsAsync(reading, { code: "CANCELLED" });
    t.is(error?.cause, "enough");
    t.false(isRunning(pid()), "after an abort");

    const waiting = videoFrames(path, { signal: AbortSignal.timeout(300) })[Symbol.asyncIterator]();
    await waiting.next();
    const child = pid();
    t.true(isRunning(child));
    await sleep(500);
    t.false(isRunning(child), "aborted while nobody asks for a frame");
    await t.throwsAsync(waiting.next(), { code: "CANCELLED" });

    const before = pid();
    const aborted = timesOf(path, { signal: AbortSignal.abort() });
    await t.throwsAsync(aborted, { code: "CANCELLED" });
    t.is(pid(), before, "nothing is started");
  },
);

test.serial("ffmpeg does not decode ahead of a slow reader", async (t) => {
  const path = await numbered(join(folder, "slow.mp4"), { frames: 150, width: 640, height: 480 });
  const report = join(folder, "report.log");
  process.env.FFREPORT = `file=${report}:level=32`;
  t.teardown(() => {
    delete process.env.FFREPORT;
  });
  const decoded = () => readFileSync(report, "utf8").match(/\] n: *\d+ pts/g)?.length ?? 0;
  let checked = false;
  for await (const { index } of videoFrames(path)) {
    if (index !== 0) continue;
    await sleep(500);
    checked = true;
    t.true(decoded() > 0 && decoded() < 40, `${decoded()} of 150`);
  }
  t.true(checked);
  t.is(decoded(), 150);
});

test.serial(
  "a loop that is left without a word neither keeps the process nor the child",
  async (t) => {
    const path = await numbered(join(folder, "left.mp4"), { frames: 100, width: 320, height: 240 });
    const { program, pid } = await tracedFfmpeg(folder);
    const script = join(folder, "left.mts");
    const video = new URL("../../lib/media/video.ts", import.meta.url);
    writeFileSync(
      script,
      `import { videoFrames } from ${JSON.stringify(video.href)};
     const frames = videoFrames(process.argv[2])[Symbol.asyncIterator]();
     const { value } = await frames.next();
     console.log(value.index);`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, ["--import=tsx", script, path], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { ...process.env, TORCHSIGHT_FFMPEG: program },
      timeout: 20_000,
    });
    t.is(stdout.trim(), "0");
    t.true(await ends(pid()));
  },
);

test.serial("where ffmpeg is looked for", async (t) => {
  const { PATH } = process.env;
  t.teardown(() => {
    delete process.env.TORCHSIGHT_FFMPEG;
    process.env.PATH = PATH;
  });
  process.env.TORCHSIGHT_FFMPEG = join(folder, "no-ffmpeg");
  await t.throwsAsync(timesOf(await clip), { code: "NOT_FOUND", message: /TORCHSIGHT_FFMPEG/ });
  process.env.TORCHSIGHT_FFMPEG = await clip;
  await t.throwsAsync(timesOf(await clip), { code: "UNSUPPORTED", message: /cannot be run/ });
  process.env.TORCHSIGHT_FFMPEG = "";
  t.is((await timesOf(await clip, { limit: 1 })).length, 1);
});

test("videos are known by their endings, else by their first bytes", async (t) => {
  const bytes = readFileSync(await clip);
  const write = (name: string, content: Uint8Array | string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  t.true(await isVideo("not/there.MP4"));
  t.false(await isVideo("not/there.gif"));
  t.true(await isVideo(write("no ending", bytes)));
  t.true(await isVideo(write("other.bin", bytes)));
  t.false(await isVideo(write("module.ts", "export const answer = 42;\n")));
  const stream = join(folder, "stream.ts");
  await ffmpeg("-i", await clip, "-c", "copy", stream);
  t.true(await isVideo(stream));
  for (const ending of ["mkv", "avi", "flv", "ogv", "y4m", "wmv", "ivf"]) {
    const path = join(folder, `known.${ending}`);
    const codec = ending === "ivf" ? ["-c:v", "libvpx"] : [];
    await ffmpeg("-i", await clip, ...codec, "-frames:v", "2", "-an", path);
    t.true(await isVideo(write(`known-${ending}`, readFileSync(path))), ending);
  }
  const picture = sharp({ create: { width: 9, height: 9, channels: 3, background: "#123" } });
  for (const format of ["png", "jpeg", "webp", "avif", "gif"] as const) {
    const content = await picture.clone().toFormat(format).toBuffer();
    t.false(await isVideo(write(`picture-${format}`, content)), format);
  }
  await t.throwsAsync(isVideo(join(folder, "none")), { code: "NOT_FOUND" });
  await t.throwsAsync(isVideo(folder), { code: "BAD_INPUT" });
});
