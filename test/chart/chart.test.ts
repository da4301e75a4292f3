/** Charts: axes, what is drawn of series, and the same picture on every machine. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import {
  type Chart,
  figurePng,
  figureSvg,
  type Point,
  type Series,
  writeFigure,
} from "../../lib/chart/index.js";
import { logTicks, numberText, scaleOf, ticks } from "../../lib/chart/scale.js";
import { temporary } from "../models/fixtures.js";

const line = (name: string, points: Point[], kind?: Series["kind"]): Series => ({
  name,
  points,
  kind,
});
const RISING = [0, 1, 2, 3].map((x) => ({ x, y: x * x }));

function chart(change: Partial<Chart> = {}): Chart {
  const axes = { x: { label: "step" }, y: { label: "loss" } };
  return { title: "A run", ...axes, series: [line("first", RISING)], ...change };
}

const svg = (change: Partial<Chart>) => figureSvg({ charts: [chart(change)] });

/** How often `pattern` is in `text`. */
const count = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;

/** Paths of colours of series, without grid and axes. */
const lines = (text: string) => [
  ...text.matchAll(/<path d="([^"]*)" fill="none" stroke="#0072b2"/g),
];

test("ticks are round numbers within the axis", (t) => {
  t.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  t.deepEqual(ticks(-0.31, 0.32, 6), [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  t.deepEqual(ticks(0, 0.3, 3), [0, 0.1, 0.2, 0.3]);
  t.deepEqual(ticks(9_900, 12_100, 4), [10_000, 10_500, 11_000, 11_500, 12_000]);
  t.deepEqual(logTicks(1e-4, 1e2, 10), [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100]);
  t.deepEqual(logTicks(1e-8, 1e8, 4), [1e-8, 1e-4, 1, 1e4, 1e8]);
  t.deepEqual(logTicks(0.1, 3, 5), [0.1, 0.2, 0.5, 1, 2]);
  // Less than a power of ten without a round one inside.
  t.deepEqual(logTicks(2.1, 4.4, 4), [2.5, 3, 3.5, 4]);
});

test("numbers at axes", (t) => {
  const texts = [0, 0.1 + 0.2, 1234.5, 177_000, 1e9, 2e-5, -1e-7].map(numberText);
  t.deepEqual(texts, ["0", "0.3", "1,234.5", "177,000", "1e9", "2e-5", "-1e-7"]);
});

test("a scale goes from end to end, and leaves out what has no place", (t) => {
  const axis = { label: "x" };
  const linear = scaleOf(axis, [2, 6, Number.NaN], [0, 100], 4, false);
  t.deepEqual([linear.at(2), linear.at(4), linear.at(6)], [0, 50, 100]);
  const log = scaleOf({ ...axis, scale: "log" }, [0.01, 1, 0, -5], [100, 0], 4, false);
  t.deepEqual([log.at(0.01), log.at(0.1), log.at(1)].map(Math.round), [100, 50, 0]);
  for (const none of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) t.is(log.at(none), Number.NaN);
  for (const values of [[], [5], [0], [Number.NaN]]) {
    const { low, high, ticks } = scaleOf(axis, values, [0, 100], 4, true);
    t.true(low < high && ticks.length >= 2, `${values}`);
  }
});

test("a chart has its words, and a picture's description", (t) => {
  const text = svg({ levels: [{ y: 4, label: "half <of> it" }] });
  t.regex(text, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="720" height="320"/);
  t.regex(text, /role="img"/);
  t.regex(text, /<title>A run<\/title>/);
  for (const word of ["A run", "step", "loss", "half &lt;of&gt; it"]) {
    t.is(count(text, new RegExp(`>${word}</text>`, "g")), 1, word);
  }
  t.regex(text, /stroke-dasharray="5 4"/);
  t.notRegex(text, /NaN|Infinity|undefined/);
  t.is(count(text, /<g[ >]/g), count(text, /<\/g>/g));
});

test("a legend names several series, each in its colour", (t) => {
  t.is(count(svg({}), />first</g), 0);
  const text = svg({ series: [line("first", RISING), line("second", RISING, "both")] });
  for (const name of ["first", "second"]) t.is(count(text, new RegExp(`>${name}<`, "g")), 1);
  t.is(count(text, /stroke="#0072b2"/g), 2);
  // In the legend and at each point.
  t.is(count(text, /fill="#d55e00"/g), 1 + RISING.length);
  const many = Array.from({ length: 13 }, (_, i) => line(`series ${i}`, RISING));
  t.is(count(svg({ series: many }), /stroke="#0072b2" [^>]*stroke-dasharray="6 3"/g), 2);
});

test("points lie where the axes say", (t) => {
  const range = [0, 10] as const;
  const points = [0, 5, 10].map((x) => ({ x, y: x }));
  const text = svg({
    x: { label: "x", range },
    y: { label: "y", range },
    series: [line("one", points)],
  });
  const [, x0, y0, x1, y1, x2, y2] = /M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)/
    .exec(lines(text)[0]![1]!)!
    .map(Number);
  const [, left, top, width, height] =
    /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/.exec(text)!.map(Number);
  const near = (a: number | undefined, b: number) => t.true(Math.abs(a! - b) < 1.1, `${a} ${b}`);
  near(x0, left! + 1);
  near(y0, top! + height! - 1);
  near(x1, left! + width! / 2);
  near(y1, top! + height! / 2);
  near(x2, left! + width! - 1);
  near(y2, top! + 1);
});

test("a value that is none divides a line", (t) => {
  const broken = [...RISING, { x: 4, y: Number.NaN }, { x: 5, y: 2 }, { x: 6, y: 3 }];
  t.is(lines(svg({ series: [line("one", broken)] })).length, 2);
  const log = svg({ y: { label: "loss", scale: "log" }, series: [line("one", RISING)] });
  t.is(lines(log).length, 1);
  t.is(count(lines(log)[0]![1]!, /L/g), 2, "0 has no place");
  t.is(lines(svg({ series: [line("none", [{ x: 0, y: Number.NaN }])] })).length, 0);
  t.notRegex(svg({ series: [] }), /NaN|Infinity/);
});

test("intervals are bands along lines, and bars at marks", (t) => {
  const points = RISING.map((point) => ({ ...point, low: point.y - 1, high: point.y + 2 }));
  const band = svg({ series: [line("one", points)] });
  t.is(count(band, /fill-opacity/g), 1);
  const bars = svg({ series: [line("one", points, "marks")] });
  t.is(count(bars, /fill-opacity/g), 0);
  t.is(lines(bars).length, RISING.length);
  t.is(count(bars, /fill="#0072b2"/g), RISING.length);
});

test("charts stand beside and below each other", (t) => {
  const text = figureSvg({ charts: [chart(), chart(), chart()], columns: 2, width: 400 });
  t.regex(text, /width="800" height="640"/);
  t.deepEqual(
    [...text.matchAll(/<clipPath id="([^"]*)"/g)].map(([, id]) => id),
    ["area-0", "area-1", "area-2"],
  );
});

test("the PNG has the picture with its words, on a machine without fonts too", async (t) => {
  const png = await figurePng({ charts: [chart()] });
  const { width, height, format } = await sharp(png).metadata();
  t.deepEqual([width, height, format], [1440, 640, "png"]);
  // Dark pixels where the title is: letters are lines, no fonts are asked for.
  const title = await sharp(png).extract({ left: 20, top: 20, width: 160, height: 50 }).greyscale();
  const { data } = await title.raw().toBuffer({ resolveWithObject: true });
  const dark = data.filter((level) => level < 100).length;
  t.true(dark > 200 && dark < 4000, `${dark}`);
  t.deepEqual(await figurePng({ charts: [chart()] }), png);
});

test("files are written whole, and nothing else", async (t) => {
  const folder = temporary(t);
  await writeFigure({ charts: [chart()] }, join(folder, "curve"));
  t.deepEqual(readdirSync(folder).sort(), ["curve.png", "curve.svg"]);
  t.is(readFileSync(join(folder, "curve.svg"), "utf8"), svg({}));
  const lost = join(folder, "no", "curve");
  await t.throwsAsync(writeFigure({ charts: [] }, lost), { code: "NOT_FOUND" });
  t.false(existsSync(lost));
});

test("ranges and sizes that mean nothing are refused", (t) => {
  for (const [change, message] of [
    [{ y: { label: "loss", range: [2, 1] } }, /low < high for the range of loss/],
    [{ y: { label: "loss", scale: "log", range: [0, 1] } }, /0 < low < high/],
    [{ x: { label: "step", range: [0, Number.NaN] } }, /range of step/],
  ] as const) {
    t.throws(() => svg(change), { code: "BAD_INPUT", message });
  }
  t.throws(() => figureSvg({ charts: [chart()], width: 10 }), { code: "BAD_INPUT" });
  t.throws(() => figureSvg({ charts: [chart()], columns: 0 }), { code: "BAD_INPUT" });
});
