/** `torchsight detect` as a process: how it fails, and what it then leaves behind. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import test from "ava";
import { writeImage } from "../../lib/media/image.js";
import { numbered } from "../media/videos.js";
import { fixture, temporary } from "../models/fixtures.js";
import { folderWith, noisy, scratch } from "../models/owlvit_models.js";
import { interrupted, torchsight } from "./run.js";

const MODEL = await folderWith("owlv2");
const WIDE = join(scratch, "wide.png");
await writeImage(noisy(64, 48), WIDE);

const query = ["--query", "a cat"];
const FAILURES: [name: string, code: number, last: RegExp, words: string[]][] = [
  ["no picture", 2, /^USAGE: missing --image$/, ["detect", "--model", MODEL, ...query]],
  ...(
    [
      ["nothing to look for", /^USAGE: missing --query or --example$/, []],
      ["texts and examples", /^USAGE: .*exclude/, [...query, "--example", WIDE]],
      ["half a box", /^USAGE: .*received 0,0,9$/, ["--example", WIDE, "--box", "0,0,9"]],
      ["no threshold", /^USAGE: .*--threshold .*1\.5$/, [...query, "--threshold", "1.5"]],
      ["its own picture", /^USAGE: .*--draw/, [...query, "--draw", WIDE]],
    ] as const
  ).map(([name, last, words]): (typeof FAILURES)[number] => [
    name,
    2,
    last,
    ["detect", "--model", MODEL, "--image", WIDE, ...words],
  ]),
  [
    "no such picture",
    1,
    /^NOT_FOUND: there is no file nowhere\.png$/,
    ["detect", "--model", MODEL, "--image", WIDE, "nowhere.png", ...query],
  ],
  [
    "a box outside the example",
    1,
    /^BAD_INPUT: .*within 64 x 48 pixels/,
    ["detect", "--model", MODEL, "--image", WIDE, "--example", WIDE, "--box", "70,0,80,9"],
  ],
  [
    "a model of another system",
    1,
    /^BAD_INPUT: expected a model of type owlvit or owlv2 .* received "vit22b"/,
    ["detect", "--model", fixture("vit22b", "base"), "--image", WIDE, ...query],
  ],
  [
    "no folder for what is drawn",
    1,
    /^NOT_FOUND: there is no folder nowhere$/,
    ["detect", "--model", MODEL, "--image", WIDE, ...query, "--draw", "nowhere/out.png"],
  ],
  [
    "more than one rank",
    1,
    /^UNSUPPORTED: /,
    ["detect", "--model", MODEL, "--image", WIDE, ...query, "--tensor-parallel", "2"],
  ],
];

for (const [name, code, last, words] of FAILURES) {
  test(`fails with ${code}: ${name}`, async (t) => {
    const ran = await torchsight(...words);
    t.is(ran.code, code, ran.stderr);
    t.is(ran.signal, null);
    t.regex(ran.last, last);
    t.is(ran.stdout, "");
    t.notRegex(ran.stderr, /\n\s+at /);
  });
}

test("a failure midway is the last line, after those that went well", async (t) => {
  const out = temporary(t);
  const video = await numbered(join(scratch, "video.mp4"), { frames: 4 });
  const broken = join(scratch, "broken.mp4");
  writeFileSync(broken, readFileSync(video).subarray(0, 900));
  const words = ["--image", WIDE, broken, WIDE, ...query, "--json", "--draw", out];
  const ran = await torchsight("detect", "--model", MODEL, ...words);
  t.is(ran.code, 1);
  const [first, second, ...others] = ran.stdout.trimEnd().split("\n");
  t.like(JSON.parse(first!), { file: WIDE, width: 64, height: 48 });
  const { error } = JSON.parse(second!);
  t.is(ran.last, `${error.code}: ${error.message}`);
  t.is(error.code, "BAD_INPUT");
  t.deepEqual(others, []);
  t.deepEqual(readdirSync(out), ["wide.png"]);
});

test.serial("an interrupt ends it with 130 and leaves no half a video", async (t) => {
  const out = temporary(t);
  const long = await numbered(join(out, "long.mp4"), { frames: 2000, fps: 25 });
  const started = appears(out, /\.part$/);
  const drawn = join(out, "boxes.mp4");
  const words = ["--image", long, ...query, "--json", "--draw", drawn];
  const ran = await interrupted(started, "detect", "--model", MODEL, ...words);
  t.is(ran.code, 130, ran.stderr);
  t.is(ran.signal, null);
  t.regex(ran.last, /^CANCELLED: /);
  t.deepEqual(readdirSync(out), [basename(long)]);
});

/** Waits until a folder has a file of such a name. */
async function appears(folder: string, name: RegExp): Promise<void> {
  while (!readdirSync(folder).some((file) => name.test(file))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
