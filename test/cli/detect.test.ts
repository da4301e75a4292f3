/** `torchsight detect` as a process: its lines and its drawings. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Drawing, drawnFiles } from "../../lib/cli/drawing.js";
import { drawBoxes } from "../../lib/media/draw.js";
import { decodeImage, writeImage } from "../../lib/media/image.js";
import type { MediaSource } from "../../lib/media/sources.js";
import { type VideoFrame, videoFrames } from "../../lib/media/video.js";
import {
  type Detection,
  type DetectOptions,
  OwlViT,
  type OwlViTQueries,
  Queries,
} from "../../lib/models/owlvit/index.js";
import { numbered } from "../media/videos.js";
import { temporary } from "../models/fixtures.js";
import {
  folderWith,
  noisy,
  scratch,
  sharp,
  smallConfig,
  tokenizerFolder,
} from "../models/owlvit_models.js";
import { type Ran, torchsight } from "./run.js";

const MODEL = await folderWith("owlv2");
const model = await sharp("owlv2");
const TEXTS = ["a cat", "dog", "traffic light"];

/** Two pictures and a note, in a folder. */
const PICTURES = join(scratch, "pictures");
mkdirSync(PICTURES);
const [WIDE, TALL] = [join(PICTURES, "wide.png"), join(PICTURES, "tall.jpg")];
await writeImage(noisy(64, 48), WIDE);
await writeImage(noisy(40, 70, 2), TALL);
writeFileSync(join(PICTURES, "notes.txt"), "not a picture");

/** Lines of a video, one for each frame. */
const VIDEO = await numbered(join(scratch, "video.mp4"), { frames: 4, fps: 5 });

const detect = (...words: string[]) => torchsight("detect", "--model", MODEL, ...words);

/** What a run printed, line by line. */
function lines(t: ExecutionContext, ran: Ran): Record<string, unknown>[] {
  t.is(ran.code, 0, ran.stderr);
  t.is(ran.stderr, "");
  t.true(ran.stdout.endsWith("\n"));
  return ran.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Detections as the command tells them. */
const told = (found: readonly Detection[]) =>
  found.map(({ box, score, label, query }) => ({ box, score, label, query }));

/** What the model finds, as the line of a picture. */
async function line(file: string, queries: OwlViTQueries, options?: DetectOptions) {
  const { width, height } = await decodeImage(file);
  return { file, width, height, detections: told(await model.detect(file, queries, options)) };
}

async function framesOf(file: string): Promise<VideoFrame[]> {
  const frames: VideoFrame[] = [];
  for await (const frame of videoFrames(file)) frames.push(frame);
  return frames;
}

/** How many of the pixels of a picture are not those of another. */
async function changed(file: string, original: string): Promise<number> {
  const [drawn, before] = await Promise.all([decodeImage(file), decodeImage(original)]);
  return drawn.data.reduce((sum, level, at) => sum + Number(level !== before.data[at]), 0);
}

test("a line for each picture, with what the model finds", async (t) => {
  const ran = await detect("--image", WIDE, TALL, "--query", ...TEXTS, "--json");
  const got = lines(t, ran);
  t.deepEqual(got, [await line(WIDE, TEXTS), await line(TALL, TEXTS)]);
  t.true((got[0]!.detections as unknown[]).length > 3);
});

test("options are those of the model, isolated or not", async (t) => {
  const long = "word ".repeat(40).trim();
  const given = "--threshold 0.05 --top-k 7 --nms 0.2 --templates best7 --size 128 --pad-value 0";
  const words = given.split(" ");
  const ran = await detect(
    ...[
      "--image",
      WIDE,
      "--query",
      "a cat",
      long,
      "--json",
      "--isolate",
      "--multi-label",
      "--clip",
    ],
    ...words,
  );
  const found = await model.detect(WIDE, ["a cat", long], {
    threshold: 0.05,
    topK: 7,
    nmsIou: 0.2,
    templates: "best7",
    size: 128,
    padValue: 0,
    multiLabel: true,
    clip: true,
  });
  t.true(found.some(({ truncated }) => truncated));
  const expected = found.map(({ patch: _, objectness: __, ...rest }) => rest);
  t.deepEqual(lines(t, ran)[0]?.detections, expected);
});

test("a folder, drawn into another, and text for people", async (t) => {
  const out = join(temporary(t), "drawn");
  const ran = await detect("--image", PICTURES, "--query", ...TEXTS, "--top-k", "3", "--draw", out);
  t.is(ran.code, 0, ran.stderr);
  t.deepEqual(readdirSync(out).sort(), ["tall.jpg", "wide.png"]);
  const printed = ran.stdout.trimEnd().split("\n");
  t.is(printed.length, 6);
  const [best] = await model.detect(TALL, TEXTS);
  const corners = best!.box.map((side) => side.toFixed(1)).join(", ");
  t.is(printed[0], `${TALL}: ${best!.label} ${best!.score.toFixed(3)} [${corners}]`);
  const found = await model.detect(WIDE, TEXTS, { topK: 3 });
  const drawn = await drawBoxes(WIDE, found, { labels: TEXTS });
  t.deepEqual(await decodeImage(join(out, "wide.png")), drawn);
});

test("one picture, drawn to a file; nothing found is told", async (t) => {
  const out = join(temporary(t), "boxes.png");
  const drawn = await detect("--image", WIDE, "--query", "a cat", "--json", "--draw", out);
  t.deepEqual(lines(t, drawn), [await line(WIDE, ["a cat"])]);
  t.true((await changed(out, WIDE)) > 20);
  const ran = await detect("--image", WIDE, "--query", "a cat", "--threshold", "1", "--draw", out);
  t.is(ran.stdout, `${WIDE}: nothing found\n`);
  t.is(await changed(out, WIDE), 0);
});

test("a video: a line for each frame, and the boxes in a video", async (t) => {
  const out = temporary(t);
  const words = ["--image", VIDEO, WIDE, "--query", ...TEXTS, "--json"];
  const got = lines(t, await detect(...words, "--draw", out));
  t.is(got.length, 5);
  let place = 0;
  for await (const { image, index, time } of videoFrames(VIDEO)) {
    const detections = told(await model.detect(image, TEXTS));
    const expected = { file: VIDEO, frame: index, time, width: 64, height: 48, detections };
    t.deepEqual(got[place++], expected);
  }
  const places = got.slice(0, 4).map(({ frame, time }) => [frame, time]);
  t.deepEqual(places, [
    [0, 0],
    [1, 0.2],
    [2, 0.4],
    [3, 0.6],
  ]);
  t.deepEqual(got[4], await line(WIDE, TEXTS));
  t.deepEqual(readdirSync(out).sort(), ["video.mp4", "wide.png"]);
  const frames = await framesOf(join(out, "video.mp4"));
  t.deepEqual(
    frames.map(({ time }) => time),
    [0, 0.2, 0.4, 0.6],
  );
  t.true(frames.every(({ image }) => image.width === 64 && image.height === 48));
  const levels = frames[0]!.image.data;
  t.true(Math.max(...levels) - Math.min(...levels) > 50, "lines are on the plain frame");
});

test("some frames of a video a second, drawn to a file", async (t) => {
  const out = join(temporary(t), "boxes.mp4");
  const words = ["--image", VIDEO, "--query", "a cat", "--top-k", "1", "--fps", "2.5"];
  const ran = await detect(...words, "--draw", out);
  t.is(ran.code, 0, ran.stderr);
  t.regex(ran.stdout, /^.*video\.mp4 at 0\.00 s: a cat .*\n.*video\.mp4 at 0\.40 s: .*\n$/);
  t.deepEqual(
    (await framesOf(out)).map(({ time }) => time),
    [0, 0.4],
  );
});

test("an example, whole and in a box", async (t) => {
  const words = ["--image", WIDE, TALL, "--json", "--example", TALL];
  using whole = await model.embedImageQuery(TALL);
  const got = lines(t, await detect(...words));
  t.deepEqual(got, [await line(WIDE, whole), await line(TALL, whole)]);
  t.is((got[0]!.detections as Detection[])[0]?.label, "example");
  using part = await model.embedImageQuery(TALL, { box: [2, 3.5, 14, 16] });
  const boxed = lines(t, await detect(...words, "--box", "2,3.5, 14,16"));
  t.deepEqual(boxed, [await line(WIDE, part), await line(TALL, part)]);
  t.not(part.patch, whole.patch);
});

test("several examples of one thing", async (t) => {
  const words = ["--example", TALL, WIDE, "--box", "5,20,30,44", "--threshold", "0.2"];
  const got = lines(t, await detect("--image", WIDE, "--json", ...words));
  using one = await model.embedImageQuery(TALL, { box: [5, 20, 30, 44] });
  using two = await model.embedImageQuery(WIDE);
  using mean = Queries.average([one, two]);
  t.deepEqual(got, [await line(WIDE, mean, { threshold: 0.2 })]);
});

test("random weights follow the seed", async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, "config.json"), JSON.stringify(smallConfig("owlvit")));
  for (const name of readdirSync(tokenizerFolder())) {
    copyFileSync(join(tokenizerFolder(), name), join(folder, name));
  }
  for (const seed of [4, 5]) {
    const words = ["--image", WIDE, "--query", "a cat", "--threshold", "0", "--json", "--random"];
    const ran = await torchsight("detect", "--model", folder, ...words, "--seed", String(seed));
    await using drawn = await OwlViT.load(folder, { seed });
    const detections = told(await drawn.detect(WIDE, ["a cat"], { threshold: 0 }));
    t.deepEqual(lines(t, ran), [{ file: WIDE, width: 64, height: 48, detections }]);
  }
});

/** Sources that exist, empty, in a folder of their own. */
function sourcesIn(folder: string, ...files: string[]): MediaSource[] {
  return files.map((name) => {
    const file = join(folder, name);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, "");
    return { file, kind: /\.(mp4|mkv)$/.test(name) ? "video" : "image" };
  });
}

test("drawings keep their sources' names, told apart, in formats that exist", async (t) => {
  const folder = temporary(t);
  const out = join(folder, "out");
  const sources = sourcesIn(folder, "a/x.jpg", "b/x.jpg", "c.JPG", "d.jfif", "e.mkv", "f", "g.gif");
  t.deepEqual(
    (await drawnFiles(out, sources)).map((file) => basename(file)),
    ["x.jpg", "x-2.jpg", "c.JPG", "d.png", "e.mp4", "f.png", "g.gif"],
  );
  t.true(existsSync(out));
  const [picture] = sourcesIn(folder, "h.png");
  t.deepEqual(await drawnFiles(out, [picture!]), [join(out, "h.png")], "a folder that is there");
  t.deepEqual(await drawnFiles(join(folder, "new"), [picture!]), [join(folder, "new", "h.png")]);
  t.deepEqual(await drawnFiles(join(folder, "i.webp"), [picture!]), [join(folder, "i.webp")]);
});

test("drawings never replace their sources, nor go where they cannot", async (t) => {
  const folder = temporary(t);
  const sources = sourcesIn(folder, "x.png", "y.png");
  const [first] = sources as [MediaSource];
  const [video] = sourcesIn(folder, "z.mp4") as [MediaSource];
  symlinkSync(folder, join(folder, "link"));
  const refused = (target: string, list: MediaSource[], message: RegExp) =>
    t.throwsAsync(drawnFiles(target, list), { code: "USAGE", message });
  await refused(first.file, [first], /another place .*x\.png/);
  await refused(folder, sources, /another place/);
  await refused(join(folder, "link"), sources, /another place/);
  await refused(join(folder, "out.png"), sources, /a folder .*out\.png/);
  await refused(first.file, [video, ...sources], /a folder .*x\.png/);
  await refused(join(folder, "out.txt"), [first], /an ending of \.png/);
  await refused(join(folder, "out.png"), [video], /an ending of \.mp4/);
  rmSync(first.file);
});

test("a video that is given up is not written, and replaces none", async (t) => {
  const folder = temporary(t);
  const out = join(folder, "out.mp4");
  writeFileSync(out, "an older one");
  {
    await using drawing = new Drawing([out], [], new AbortController().signal);
    for (const time of [0, 0.1, 0.2]) await drawing.add(0, noisy(64, 48), [], time);
  }
  t.deepEqual(readdirSync(folder), ["out.mp4"]);
  t.is(readFileSync(out, "utf8"), "an older one");
  await using drawing = new Drawing([out], [], new AbortController().signal);
  await drawing.add(0, noisy(64, 48), [], 0);
  await drawing.finish();
  t.is((await framesOf(out)).length, 1, "a lone frame makes a video");
});
