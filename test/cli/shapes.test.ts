/** `shapes`: pictures and videos of any form, with all that is known of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { ShapesWorld } from "../../lib/data/shapesworld/index.js";
import { decodeImage } from "../../lib/media/image.js";
import { videoFrames } from "../../lib/media/video.js";
import { temporary } from "../models/fixtures.js";
import { torchsight } from "./run.js";

test("a folder of frames and their annotations are those of the library", async (t) => {
  const folder = temporary(t);
  const [out, file] = [join(folder, "frames"), join(folder, "clip.json")];
  const words = ["--seed", "5", "--index", "3", "--size", "64x48", "--annotations", file, "--json"];
  const ran = await torchsight("shapes", ...words, "--out", out);
  t.is(ran.code, 0, ran.stderr);
  const clip = new ShapesWorld({ seed: 5, size: [64, 48] }).clip(3);
  const known = JSON.parse(JSON.stringify(clip.annotations()));
  t.deepEqual(JSON.parse(ran.stdout), known);
  t.deepEqual(JSON.parse(readFileSync(file, "utf8")), known);
  t.like(known, { width: 64, height: 48, fps: 8, frames: 16 });
  t.is(known.objects[0].boxes.length, 16);
  const names = readdirSync(out).sort();
  t.deepEqual([names.length, names[0], names[15]], [16, "00000.png", "00015.png"]);
  for (const [at, name] of names.entries()) {
    t.deepEqual((await decodeImage(join(out, name))).data, clip.frame(at).data);
  }
});

test("the document has what the contract names", async (t) => {
  const out = join(temporary(t), "clip");
  const { stdout } = await torchsight("shapes", "--seed", "1", "--out", out, "--json");
  const { width, height, fps, captions, objects, relations, questions } = JSON.parse(stdout);
  t.deepEqual([width, height, fps], [224, 224, 8]);
  t.true(captions.length > 0 && captions.every((text: unknown) => typeof text === "string"));
  t.true(objects.length > 0 && Array.isArray(relations));
  for (const { id, shape, color, size, fill, boxes, actions } of objects) {
    t.is(objects[id].id, id);
    for (const word of [shape, color, size, fill]) t.is(typeof word, "string");
    t.is(boxes.length, 16);
    for (const box of boxes) t.true(box === null || box.length === 4);
    for (const { name, start, end } of actions) t.true(typeof name === "string" && start < end);
  }
  for (const { question, answer } of questions)
    t.is(typeof question + typeof answer, "stringstring");
});

test("a still picture has one frame, and says what is there", async (t) => {
  const out = join(temporary(t), "scene.png");
  const ran = await torchsight("shapes", "--seed", "2", "--size", "40x60", "--out", out);
  t.is(ran.code, 0, ran.stderr);
  const clip = new ShapesWorld({ seed: 2, size: [40, 60], frames: 1 }).clip(0);
  t.deepEqual((await decodeImage(out)).data, clip.frame(0).data);
  t.true(ran.stdout.startsWith(`${out}: 40 x 60, a picture\n${clip.captions[0]!.text}\n`));
  t.true(ran.stdout.includes(clip.questions[0]!.question));
});

for (const ending of ["mp4", "y4m"]) {
  test(`${ending}: frames and rate come back`, async (t) => {
    const out = join(temporary(t), `clip.${ending}`);
    const words = ["--seed", "3", "--size", "48x32", "--frames", "5", "--fps", "5"];
    const ran = await torchsight("shapes", ...words, "--out", out);
    t.is(ran.code, 0, ran.stderr);
    const clip = new ShapesWorld({ seed: 3, size: [48, 32], frames: 5, fps: 5 }).clip(0);
    let at = 0;
    for await (const { image, time } of videoFrames(out)) {
      t.true(Math.abs(time - at / 5) < 1e-3);
      t.deepEqual([image.width, image.height], [48, 32]);
      const { data } = clip.frame(at);
      const off = data.reduce((sum, level, place) => sum + Math.abs(level - image.data[place]!), 0);
      t.true(off / data.length < 8, `${at}: ${off / data.length}`);
      at += 1;
    }
    t.is(at, 5);
  });
}

test("webp: an animation", async (t) => {
  const out = join(temporary(t), "clip.webp");
  const ran = await torchsight("shapes", "--seed", "3", "--size", "48x32", "--out", out);
  t.is(ran.code, 0, ran.stderr);
  const { pages, delay, width, pageHeight } = await sharp(out, { animated: true }).metadata();
  t.deepEqual([pages, width, pageHeight], [16, 48, 32]);
  t.true(delay!.every((milliseconds) => milliseconds === 125));
});

test("an overlay draws a box about each object that is seen", async (t) => {
  const folder = temporary(t);
  const words = ["--seed", "7", "--index", "1", "--size", "160x120"];
  for (const [name, more] of [
    ["plain.png", []],
    ["boxes.png", ["--overlay"]],
  ] as const) {
    const ran = await torchsight("shapes", ...words, ...more, "--out", join(folder, name));
    t.is(ran.code, 0, ran.stderr);
  }
  const [plain, drawn] = await Promise.all(
    ["plain.png", "boxes.png"].map((name) => decodeImage(join(folder, name))),
  );
  const clip = new ShapesWorld({ seed: 7, size: [160, 120], frames: 1 }).clip(1);
  for (const { boxes } of clip.objects) {
    const [x0, y0, x1] = boxes[0]!;
    let changed = 0;
    for (let x = x0; x < x1; x += 1) {
      const place = (y0 * 160 + x) * 3;
      const [before, after] = [plain!, drawn!].map(({ data }) => data.subarray(place, place + 3));
      if (String(before) !== String(after)) changed += 1;
    }
    t.true(changed > 0.8 * (x1 - x0), `${changed} of ${x1 - x0}`);
  }
});

test("words that mean nothing are refused, and nothing is written", async (t) => {
  const folder = temporary(t);
  const out = join(folder, "clip.mp4");
  const refused = async (words: string[], code: number, message: RegExp) => {
    const ran = await torchsight("shapes", ...words);
    t.is(ran.code, code, words.join(" "));
    t.regex(ran.last, message);
    t.notRegex(ran.stderr, /\n\s+at /);
  };
  await refused([], 2, /^USAGE: missing --out/);
  await refused(["--out", out, "--size", "64"], 2, /^USAGE: .* for --size but received 64/);
  await refused(["--out", out, "--size", "4x4"], 1, /^BAD_INPUT: .* for size but received 4/);
  await refused(["--out", out, "--index", "-1"], 2, /^USAGE: .* for --index/);
  await refused(["--out", join(folder, "a.png"), "--frames", "2"], 2, /^USAGE: .*a\.png/);
  await refused(["--out", join(folder, "a.txt")], 1, /^BAD_INPUT: .*ending of .*a\.txt/);
  await refused(["--out", join(folder, "no", "a.mp4")], 1, /^NOT_FOUND: there is no folder/);
  const lost = ["--annotations", join(folder, "no", "a.json")];
  await refused(["--out", out, ...lost], 1, /^NOT_FOUND: there is no folder/);
  t.deepEqual(readdirSync(folder), []);
});

test("a folder that is there is filled", async (t) => {
  const out = join(temporary(t), "clip.v1");
  mkdirSync(out);
  const ran = await torchsight("shapes", "--size", "16x16", "--frames", "2", "--out", out);
  t.is(ran.code, 0, ran.stderr);
  t.true(existsSync(join(out, "00001.png")));
});
