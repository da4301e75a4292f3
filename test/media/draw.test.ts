import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { colourOf, inkOn, labelColours } from "../../lib/media/colours.js";
import { type DrawnBox, drawBoxes } from "../../lib/media/draw.js";
import type { RawImage } from "../../lib/media/image.js";
import { drawing, plain } from "./drawing.js";

type Pixel = [number, number, number];

function pixel({ data, width }: RawImage, x: number, y: number): Pixel {
  const place = (y * width + x) * 3;
  return [...data.subarray(place, place + 3)] as Pixel;
}

/** How many pixels have a colour. */
function count(image: RawImage, colour: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < image.data.length; i += 3) {
    if (colour.every((value, channel) => image.data[i + channel] === value)) sum += 1;
  }
  return sum;
}

const digest = ({ data }: RawImage) => createHash("sha256").update(data).digest("hex");

test("a box is framed in its colour, the rest stays", async (t) => {
  const image = plain(200, 100, 90);
  const before = digest(image);
  const drawn = await drawBoxes(image, [{ box: [50, 20, 150, 80], color: "#ff0080" }]);
  t.is(digest(image), before);
  t.deepEqual([drawn.width, drawn.height, drawn.channels], [200, 100, 3]);
  for (const [x, y] of [
    [50, 20],
    [100, 20],
    [149, 50],
    [100, 79],
  ] as const) {
    t.deepEqual(pixel(drawn, x, y), [255, 0, 128], `${x}, ${y}`);
  }
  for (const [x, y] of [
    [100, 50],
    [10, 10],
    [190, 90],
  ] as const) {
    t.deepEqual(pixel(drawn, x, y), [90, 90, 90]);
  }
});

test("a label stands on a plate above its box, in an ink that differs", async (t) => {
  const box = [20, 40, 180, 90] as const;
  const options = { color: [250, 220, 0] as const };
  const empty = await drawBoxes(plain(200, 100, 90), [{ box, ...options }]);
  const drawn = await drawBoxes(plain(200, 100, 90), [{ box, label: "cat", ...options }]);
  t.is(count(empty, [0, 0, 0]), 0);
  t.true(count(drawn, [0, 0, 0]) > 15, "ink");
  t.true(count(drawn, options.color) > count(empty, options.color) + 100, "plate");
  // Below the box's upper edge nothing changed.
  const from = 42 * 200 * 3;
  t.deepEqual(drawn.data.subarray(from), empty.data.subarray(from));
});

test("different letters give different pixels, a score is written behind the label", async (t) => {
  const drawn = (label: string, score?: number) =>
    drawBoxes(plain(200, 100, 90), [{ box: [20, 40, 180, 90], label, score, color: "#ffffff" }]);
  const all = await Promise.all([
    ...[..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?#%&@"].map((letter) =>
      drawn(letter),
    ),
    drawn("a", 0.5),
    drawn("a", 0.51),
  ]);
  t.is(new Set(all.map(digest)).size, all.length);
});

test("no fonts are needed", async (t) => {
  const empty = mkdtempSync(join(tmpdir(), "torchsight-fonts-"));
  t.teardown(() => rmSync(empty, { recursive: true, force: true }));
  const script = fileURLToPath(new URL("./drawing.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import=tsx", script], {
    env: { ...process.env, FONTCONFIG_PATH: empty, FONTCONFIG_FILE: join(empty, "none.conf") },
  });
  t.is(stdout.trim(), digest(await drawing()));
});

test("the same input gives the same pixels, in whatever order the boxes come", async (t) => {
  t.is(digest(await drawing()), digest(await drawing()));
  t.is(digest(await drawing(true)), digest(await drawing()));
});

test("of a box that reaches out of the picture the part within is framed", async (t) => {
  const colour: Pixel = [255, 0, 128];
  const frame = (box: DrawnBox["box"]) => drawBoxes(plain(200, 100, 90), [{ box, color: colour }]);
  const partly = await frame([-50, -20, 100, 500]);
  t.deepEqual(pixel(partly, 0, 50), colour);
  t.deepEqual(pixel(partly, 50, 0), colour);
  t.deepEqual(pixel(partly, 50, 99), colour);
  t.deepEqual(pixel(partly, 100, 50), [90, 90, 90]);
  const around = await frame([-1e9, -1e9, 1e9, 1e9]);
  t.is(count(around, colour), 2 * (200 + 100) - 4);
  for (const box of [
    [201, 10, 300, 50],
    [-90, 10, -1, 50],
    [10, 101, 50, 200],
    [10, -50, 50, -2],
  ] as const) {
    const outside = await drawBoxes(plain(200, 100, 90), [{ box, label: "gone", score: 1 }]);
    t.is(count(outside, [90, 90, 90]), 200 * 100);
  }
  const point = await frame([30, 30, 30, 30]);
  t.true(count(point, colour) >= 1);
});

test("labels stay within the picture, also in one of a single pixel", async (t) => {
  for (const [width, height] of [
    [1, 1],
    [3, 200],
    [300, 4],
    [30, 30],
  ] as const) {
    const box = [0, 0, width, height] as const;
    const drawn = await drawBoxes(plain(width, height, 90), [
      { box, label: "a label that is longer than the picture is wide", score: 0.5 },
    ]);
    t.is(drawn.data.length, width * height * 3);
  }
});

test("long labels are cut, the score is kept", async (t) => {
  const label = "word ".repeat(60);
  const drawn = (score: number) =>
    drawBoxes(plain(300, 100, 90), [{ box: [0, 40, 300, 100], label, score, color: "#ffffff" }]);
  t.not(digest(await drawn(0.11)), digest(await drawn(0.22)));
  const shorter = await drawBoxes(plain(300, 100, 90), [
    { box: [0, 40, 300, 100], label: label.slice(5), score: 0.11, color: "#ffffff" },
  ]);
  t.is(digest(shorter), digest(await drawn(0.11)));
});

test("lines and letters grow with the picture, and with the scale", async (t) => {
  const inked = async (side: number, scale?: number) => {
    const box = [side / 4, side / 4, side * 0.75, side * 0.75] as const;
    const boxes = [{ box, label: "cat", color: "#ffffff" }];
    const drawn = await drawBoxes(plain(side, side, 90), boxes, { scale });
    let line = 0;
    while (pixel(drawn, side / 2, Math.round(side * 0.75) - 10 + line)[0] !== 255) line += 1;
    const from = line;
    while (pixel(drawn, side / 2, Math.round(side * 0.75) - 10 + line)[0] === 255) line += 1;
    return { line: line - from, ink: count(drawn, [0, 0, 0]) };
  };
  const [small, large, scaled] = [await inked(520), await inked(1560), await inked(520, 2)];
  t.deepEqual([small.line, large.line, scaled.line], [2, 6, 4]);
  t.true(large.ink > 6 * small.ink);
  t.true(scaled.ink > 2 * small.ink);
});

test("plates do not cover each other where there is room", async (t) => {
  const boxes = [0, 1, 2].map((i) => ({
    box: [100, 100, 300, 300] as const,
    label: "same place",
    score: 0.9 - i / 10,
    color: "#ffffff",
  }));
  const white = async (some: DrawnBox[]) =>
    count(await drawBoxes(plain(400, 400, 90), some), [255, 255, 255]);
  const frame = await white([{ ...boxes[0]!, label: undefined, score: undefined }]);
  const plate = (await white(boxes.slice(0, 1))) - frame;
  // Inside and below, a plate covers a part of the frame.
  t.true((await white(boxes)) - frame > 2.5 * plate);
});

test("text beyond ASCII: accents are left off, the rest are boxes", async (t) => {
  const drawn = (label: string) =>
    drawBoxes(plain(200, 100, 90), [{ box: [20, 40, 180, 90], label, color: "#ffffff" }]);
  const same = async (a: string, b: string) => t.is(digest(await drawn(a)), digest(await drawn(b)));
  await same("café Å", "cafe A");
  await same("cafe\u0301", "cafe");
  await same("ﬁ…", "fi...");
  await same("a\n\t b", "a b");
  await same("猫", "犬");
  await same("한", "猫");
  t.not(digest(await drawn("猫")), digest(await drawn("猫猫")));
  t.not(digest(await drawn("猫")), digest(await drawn("")));
});

test("colours: distinct for 36 labels, and kept where the labels are known", (t) => {
  const labels = Array.from({ length: 36 }, (_, i) => `label ${i}`);
  const colours = labelColours(labels);
  t.is(new Set([...colours.values()].map(String)).size, 36);
  t.deepEqual(labelColours(labels.toReversed()).get("label 7"), colours.get("label 7"));
  // Without others in the way, a label's colour follows from the label alone.
  t.deepEqual(labelColours(["cat"]).get("cat"), labelColours(["cat"]).get("cat"));
  const known = labelColours(["cat"], ["dog", "cat", "bird"]).get("cat");
  t.deepEqual(labelColours(["bird", "cat", "fox"], ["dog", "cat", "bird"]).get("cat"), known);
  t.not(String(labelColours(["fox"], ["dog", "cat"]).get("fox")), String(known));
  t.is(labelColours(Array.from({ length: 100 }, (_, i) => `${i}`)).size, 100);
});

test("ink can be read on every colour of the palette", (t) => {
  const luminance = (colour: readonly number[]) => {
    const [r, g, b] = colour.map((v) => (v <= 10 ? v / 3295 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  for (const colour of labelColours(Array.from({ length: 36 }, (_, i) => `${i}`)).values()) {
    const [low, high] = [luminance(colour), luminance(inkOn(colour))].sort((a, b) => a - b);
    t.true((high! + 0.05) / (low! + 0.05) >= 4.5, `${colour}`);
  }
});

test("colours as users write them", (t) => {
  t.deepEqual(colourOf("#Ff8000"), [255, 128, 0]);
  t.deepEqual(colourOf([1, 2, 3]), [1, 2, 3]);
  for (const wrong of ["red", "#fff", [1, 2], [0, 0, 256], [0, 0, 0.5], [0, -1, 0]]) {
    t.throws(() => colourOf(wrong as string), { code: "BAD_INPUT", message: /#rrggbb/ });
  }
});

for (const [name, box] of [
  ["three numbers", { box: [1, 2, 3] }],
  ["a NaN", { box: [1, 2, Number.NaN, 4] }],
  ["no end", { box: [1, 2, Number.POSITIVE_INFINITY, 4] }],
  ["right before left", { box: [5, 0, 4, 9] }],
  ["a label that is a number", { box: [0, 0, 1, 1], label: 5 }],
  ["a score that is text", { box: [0, 0, 1, 1], score: "0.5" }],
  ["an unknown colour", { box: [0, 0, 1, 1], color: "blue" }],
] as const) {
  test(`refused: ${name}`, async (t) => {
    const boxes = [box as unknown as DrawnBox];
    await t.throwsAsync(drawBoxes(plain(9, 9, 0), boxes), { code: "BAD_INPUT" });
  });
}

test("refused: a scale of nothing, boxes that are no list", async (t) => {
  await t.throwsAsync(drawBoxes(plain(9, 9, 0), [], { scale: 0 }), { code: "BAD_INPUT" });
  const none = undefined as unknown as DrawnBox[];
  await t.throwsAsync(drawBoxes(plain(9, 9, 0), none), { code: "BAD_INPUT" });
});

test("grey pictures and pictures with transparency become colour pictures", async (t) => {
  for (const channels of [1, 2, 4]) {
    const data = new Uint8Array(30 * 30 * channels).fill(90);
    const image = { data, width: 30, height: 30, channels };
    const drawn = await drawBoxes(image, [{ box: [5, 5, 25, 25], color: "#ff0080" }]);
    t.is(drawn.channels, 3);
    t.deepEqual(pixel(drawn, 5, 5), [255, 0, 128]);
    t.deepEqual(pixel(drawn, 15, 15), [90, 90, 90]);
  }
});

/** A mask that is 255 in a rectangle. */
function maskOf(width: number, height: number, [x0, y0, x1, y1]: DrawnBox["box"]): RawImage {
  const data = new Uint8Array(width * height);
  for (let y = y0; y < y1; y += 1) data.fill(255, y * width + x0, y * width + x1);
  return { data, width, height, channels: 1 };
}

test("a mask is filled half through, its rim is not, the rest stays", async (t) => {
  const colour: Pixel = [250, 10, 90];
  const mask = maskOf(200, 100, [60, 30, 140, 70]);
  const box = { box: [50, 20, 150, 80] as const, color: colour, mask };
  const drawn = await drawBoxes(plain(200, 100, 90), [box], { maskOpacity: 0.5 });
  t.deepEqual(pixel(drawn, 100, 50), [170, 50, 90]);
  for (const [x, y] of [
    [60, 30],
    [139, 69],
    [60, 50],
    [100, 69],
  ] as const) {
    t.deepEqual(pixel(drawn, x, y), colour, `${x}, ${y}`);
  }
  t.deepEqual(pixel(drawn, 61, 31), [170, 50, 90]);
  t.deepEqual(pixel(drawn, 59, 50), [90, 90, 90]);
  t.deepEqual(pixel(drawn, 140, 50), [90, 90, 90]);
  t.is(count(drawn, [170, 50, 90]), 78 * 38);
  const clear = await drawBoxes(plain(200, 100, 90), [box], { maskOpacity: 0 });
  t.deepEqual(pixel(clear, 100, 50), [90, 90, 90]);
  t.is(mask.data[0], 0);
});

test("rims of masks grow with the picture, and there is none at its border", async (t) => {
  const colour: Pixel = [250, 10, 90];
  const side = 1560;
  const mask = maskOf(side, side, [0, 0, 800, side]);
  const boxes = [{ box: [0, 0, side, side] as const, color: colour, mask }];
  const drawn = await drawBoxes(plain(side, side, 90), boxes, { maskOpacity: 0.5 });
  // Of a line of 6 pixels, half.
  const row = Array.from({ length: 10 }, (_, i) => String(pixel(drawn, 792 + i, 700)));
  const [fill, rim, none] = ["170,50,90", "250,10,90", "90,90,90"];
  t.deepEqual(row, [...new Array(5).fill(fill), ...new Array(3).fill(rim), none, none]);
  t.is(String(pixel(drawn, 100, 700)), fill);
  t.is(String(pixel(drawn, 20, 700)), fill);
});

test("masks of higher score lie on those of lower, and below all frames", async (t) => {
  const mask = maskOf(100, 100, [20, 20, 80, 80]);
  const [sure, unsure] = [
    { box: [20, 20, 80, 80] as const, score: 0.9, color: "#ff0000", mask },
    { box: [40, 0, 60, 100] as const, score: 0.1, color: "#0000ff", mask },
  ];
  const options = { maskOpacity: 1 };
  const drawn = await drawBoxes(plain(100, 100, 90), [sure, unsure], options);
  t.is(digest(drawn), digest(await drawBoxes(plain(100, 100, 90), [unsure, sure], options)));
  t.deepEqual(pixel(drawn, 50, 50), [255, 0, 0]);
  t.deepEqual(pixel(drawn, 40, 50), [0, 0, 255], "the frame of the less certain");
});

test("a mask of thin parts is all rim; one without pixels draws nothing", async (t) => {
  const thin = maskOf(50, 50, [10, 10, 12, 40]);
  const box = [0, 0, 50, 50] as const;
  const drawn = await drawBoxes(plain(50, 50, 90), [{ box, color: "#ffffff", mask: thin }]);
  const frame = await drawBoxes(plain(50, 50, 90), [{ box, color: "#ffffff" }]);
  t.is(count(drawn, [255, 255, 255]) - count(frame, [255, 255, 255]), 60);
  const empty = maskOf(50, 50, [0, 0, 0, 0]);
  const none = await drawBoxes(plain(50, 50, 90), [{ box, color: "#ffffff", mask: empty }]);
  t.is(digest(none), digest(frame));
});

test("refused: masks of another size or of colours, an opacity beyond 1", async (t) => {
  const good = maskOf(9, 9, [1, 1, 4, 4]);
  const draw = (mask: unknown, maskOpacity?: number) =>
    drawBoxes(plain(9, 9, 0), [{ box: [0, 0, 9, 9], mask: mask as RawImage }], { maskOpacity });
  await t.notThrowsAsync(draw(good));
  for (const mask of [maskOf(9, 8, [0, 0, 1, 1]), plain(9, 9, 0), { ...good, data: [] }, 5, null]) {
    const message = /9 x 9 bytes in one channel for boxes\[0\]\.mask/;
    await t.throwsAsync(draw(mask), { code: "BAD_INPUT", message });
  }
  await t.throwsAsync(draw(good, 1.5), { code: "BAD_INPUT", message: /maskOpacity/ });
});
