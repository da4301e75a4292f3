/** `generate-video`: a sentence to a file of any form, with a small random cascade. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { decodeImage } from "../../lib/media/image.js";
import { videoFrames } from "../../lib/media/video.js";
import { VideoCascade } from "../../lib/video/index.js";
import { temporary } from "../models/fixtures.js";
import { writeCascade } from "../video/cascades.js";
import { interrupted, torchsight } from "./run.js";

const model = mkdtempSync(join(tmpdir(), "torchsight-"));
test.before(() => writeCascade(model));
test.after.always(() => rmSync(model, { recursive: true, force: true }));

const run = (...words: string[]) => torchsight("generate-video", "--model", model, ...words);
const PROMPT = ["--prompt", "a black cat"];

test("a folder of frames, a contact sheet and what the contract names", async (t) => {
  const folder = temporary(t);
  const [out, sheet] = [join(folder, "frames"), join(folder, "sheet.png")];
  const words = [...PROMPT, "--seed", "3", "--out", out, "--contact-sheet", sheet];
  const ran = await run(...words, "--negative", "a bird", "--steps", "2", "--json");
  t.is(ran.code, 0, ran.stderr);
  const { seconds, stages, ...told } = JSON.parse(ran.stdout);
  t.deepEqual(told, { file: out, frames: 4, width: 16, height: 16, fps: 4 });
  t.true(seconds > 0);
  t.deepEqual(
    stages.map(({ name, steps }: { name: string; steps: number }) => [name, steps]),
    ["base", "tsr1", "ssr1", "ssr2"].map((name) => [name, 2]),
  );
  for (const { seconds: own } of stages) t.true(own > 0 && own < seconds);
  for (const name of ["base", "tsr1", "ssr1", "ssr2"]) t.regex(ran.stderr, new RegExp(name));
  await using cascade = await VideoCascade.load(model);
  const options = { prompt: "a black cat", negativePrompt: "a bird", seed: 3, steps: 2 };
  using video = await cascade.generate(options);
  const frames = await video.frames();
  for (const [at, name] of readdirSync(out).sort().entries()) {
    t.deepEqual((await decodeImage(join(out, name))).data, frames[at]!.data);
  }
  const { data, width } = await decodeImage(sheet);
  // Four frames of 16 pixels six times as large, with gaps of four.
  t.is(width, 4 * 100 + 4);
  t.deepEqual([...data.subarray(0, 3)], [255, 255, 255]);
  const inside = (4 * width + 4) * 3;
  t.deepEqual(data.subarray(inside, inside + 3), frames[0]!.data.subarray(0, 3));
});

for (const ending of ["mp4", "y4m"]) {
  test(`${ending}: frames and rate come back`, async (t) => {
    const out = join(temporary(t), `clip.${ending}`);
    const ran = await run(...PROMPT, "--out", out, "--stages", "3", "--guidance", "1");
    t.is(ran.code, 0, ran.stderr);
    t.true(ran.stdout.startsWith(`${out}: 8 x 8, 4 frames at 4 a second`));
    let at = 0;
    for await (const { image, time } of videoFrames(out)) {
      t.true(Math.abs(time - at / 4) < 1e-3);
      t.deepEqual([image.width, image.height], [8, 8]);
      at += 1;
    }
    t.is(at, 4);
  });
}

test("one frame is a picture; weights may be drawn, and that is told", async (t) => {
  const out = join(temporary(t), "cat.png");
  const ran = await run(...PROMPT, "--frames", "1", "--out", out, "--random");
  t.is(ran.code, 0, ran.stderr);
  t.regex(ran.stderr, /weights are random/);
  const { width, height } = await decodeImage(out);
  t.deepEqual([width, height], [16, 16]);
});

test("words that mean nothing are refused before the work, and nothing is written", async (t) => {
  const folder = temporary(t);
  const out = join(folder, "a.mp4");
  const refused = async (words: string[], code: number, message: RegExp) => {
    const ran = await run(...words);
    t.is(ran.code, code, words.join(" "));
    t.regex(ran.last, message);
    t.notRegex(ran.stderr, /\n\s+at /);
  };
  await refused(PROMPT, 2, /^USAGE: missing --out/);
  await refused(["--out", out], 2, /^USAGE: missing --prompt/);
  await refused([...PROMPT, "--out", out, "--guidance", "-1"], 2, /^USAGE: .* for --guidance/);
  await refused([...PROMPT, "--out", join(folder, "a.png")], 1, /^BAD_INPUT: .*several frames/);
  await refused([...PROMPT, "--out", join(folder, "no", "a.mp4")], 1, /^NOT_FOUND: /);
  await refused([...PROMPT, "--out", out, "--frames", "3"], 1, /^BAD_INPUT: .*multiple of 2/);
  const lost = await torchsight("generate-video", ...PROMPT, "--model", folder, "--out", out);
  t.regex(lost.last, /^NOT_FOUND: there is no cascade\.json/);
  t.deepEqual(readdirSync(folder), []);
});

test("an interrupt ends it with 130 and no file", async (t) => {
  const folder = temporary(t);
  const words = ["--model", model, ...PROMPT, "--steps", "100000", "--out", join(folder, "a.mp4")];
  const ran = await interrupted(4000, "generate-video", ...words);
  t.is(ran.code, 130, ran.stderr);
  t.deepEqual(readdirSync(folder), []);
});
