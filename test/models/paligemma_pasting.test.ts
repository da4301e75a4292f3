/** Masks of the codec in their boxes, against Pillow, and cut out again. */
import { readFileSync } from "node:fs";
import test from "ava";
import { type Box, cutMask, pasteMask } from "../../lib/models/paligemma/masks.js";
import { fixture, numbers, tensorsOf } from "./fixtures.js";

interface Case {
  size: [width: number, height: number];
  box: Box;
  crop: Box;
}

const folder = (name: string) => fixture("paligemma_masks", "pasted", name);
const cases: Case[] = JSON.parse(readFileSync(folder("pasted.json"), "utf8"));
const expected = await tensorsOf(folder("pasted.safetensors"));
const map = Float32Array.from(await numbers(expected.map!));

const sum = (data: ArrayLike<number>) => Array.from(data).reduce((all, one) => all + one, 0);

for (const [place, { size, box, crop }] of cases.entries()) {
  const [width, height] = size;
  test(`pasted as by Pillow: ${box} in ${size}`, async (t) => {
    const pasted = await pasteMask(map, box, { width, height });
    t.deepEqual([...pasted.mask.data], [...(await numbers(expected[`${place}.mask`]!))]);
    t.deepEqual([pasted.mask.width, pasted.mask.height, pasted.mask.channels], [width, height, 1]);
    const want = expected[`${place}.crop`];
    if (!want) {
      t.deepEqual([pasted.crop.width, pasted.crop.height, pasted.crop.data.length], [0, 0, 0]);
      t.is(sum(pasted.mask.data), 0);
      return;
    }
    t.deepEqual(pasted.box, crop);
    t.deepEqual([pasted.crop.height, pasted.crop.width], want.shape);
    const values = await numbers(want);
    t.true(pasted.crop.data.every((value, at) => Math.abs(value - values[at]!) < 1e-6));
    t.true(pasted.crop.data.every((value) => value >= 0 && value <= 1));
  });

  if (!expected[`${place}.cut`]) continue;
  test(`cut out as by Pillow: ${box} in ${size}`, async (t) => {
    const data = Uint8Array.from(await numbers(expected[`${place}.mask`]!));
    const cut = await cutMask({ data, width, height, channels: 1 }, crop);
    const values = await numbers(expected[`${place}.cut`]!);
    t.is(cut.length, 64 * 64);
    t.true(cut.every((value, at) => Math.abs(value - values[at]!) < 1e-6));
  });
}

test("of a box that reaches beyond the picture the part within is pasted", async (t) => {
  const whole = await pasteMask(map, [20, 10, 90, 70], { width: 100, height: 80 });
  const part = await pasteMask(map, [0, -20, 70, 40], { width: 50, height: 30 });
  t.deepEqual(part.box, [0, 0, 50, 30]);
  t.deepEqual([part.crop.width, part.crop.height], [50, 30]);
  for (let y = 0; y < 30; y += 1) {
    for (let x = 0; x < 50; x += 1) {
      const [here, there] = [y * 50 + x, (y + 20) * 70 + x];
      t.true(Math.abs(part.crop.data[here]! - whole.crop.data[there]!) < 1e-6);
      t.is(part.mask.data[here], whole.mask.data[(y + 30) * 100 + x + 20]);
    }
  }
  const far = await pasteMask(map, [-1e12, -1e12, 1e12, 1e12], { width: 3, height: 2 });
  t.is(far.crop.data.length, 6);
  for (const box of [
    [60, 0, 90, 30],
    [-30, 0, 0, 30],
    [0, 31, 50, 40],
    [9, 9, 5, 20],
  ] as Box[]) {
    const outside = await pasteMask(map, box, { width: 50, height: 30 });
    t.is(sum(outside.mask.data), 0);
    t.is(outside.crop.data.length, 0);
  }
});

test("what is cut out of a pasted mask is the mask", async (t) => {
  const size = { width: 300, height: 260 };
  const box: Box = [20, 10, 276, 266 - 10];
  const { mask } = await pasteMask(map, box, size);
  const cut = await cutMask(mask, box);
  const same = cut.filter((share, at) => share > 0.5 === map[at]! > 0).length;
  t.true(same > 0.96 * 4096, `${same}`);
});

test("refused: maps, boxes, sizes and masks that are none", async (t) => {
  const size = { width: 9, height: 9 };
  const wrong = { code: "BAD_INPUT" };
  await t.throwsAsync(pasteMask(new Float32Array(16), [0, 0, 1, 1], size), wrong);
  await t.throwsAsync(pasteMask([...map] as never, [0, 0, 1, 1], size), wrong);
  await t.throwsAsync(pasteMask(map, [0, 0, 1, Number.NaN], size), wrong);
  await t.throwsAsync(pasteMask(map, [0, 0, 1] as never, size), wrong);
  await t.throwsAsync(pasteMask(map, [0, 0, 1, 1], { width: 0, height: 9 }), wrong);
  const mask = { data: new Uint8Array(81), width: 9, height: 9, channels: 1 };
  await t.throwsAsync(cutMask(mask, [9, 0, 12, 4]), wrong);
  await t.throwsAsync(cutMask({ ...mask, channels: 3 }, [0, 0, 4, 4]), wrong);
});

test("cancelled before it begins", async (t) => {
  const control = { signal: AbortSignal.abort() };
  const job = pasteMask(map, [0, 0, 9, 9], { width: 9, height: 9 }, control);
  await t.throwsAsync(job, { code: "CANCELLED" });
});
