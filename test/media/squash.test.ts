import test from "ava";
import { composeJob } from "../../lib/core/compose.js";
import type { RawImage } from "../../lib/media/image.js";
import { type PixelFields, withSide } from "../../lib/media/processor_fields.js";
import { SQUASH_FILTERS, type SquashFilter, squashedBatch } from "../../lib/media/squash.js";

const HALVES: PixelFields = {
  do_resize: true,
  size: { height: 5, width: 7 },
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

const squash = (images: readonly RawImage[], filter?: SquashFilter, processor = HALVES) =>
  composeJob({}, (steps) => squashedBatch(images, processor, steps, filter));

/** A picture whose levels `at` tells by column, row and channel. */
function picture(
  width: number,
  height: number,
  at: (x: number, y: number, channel: number) => number,
): RawImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return at(pixel % width, Math.floor(pixel / width), i % 3);
  });
  return { data, width, height, channels: 3 };
}

const noise = (width: number, height: number) =>
  picture(width, height, (x, y, channel) => (x * 7919 + y * 104729 + channel * 1299709) % 251);

/** Linear interpolation of one channel at half-pixel centres, levels rounded down. */
function interpolated(image: RawImage, [rows, columns]: [number, number], channel: number) {
  const { data, width, height } = image;
  const place = (i: number, input: number, output: number) => {
    const at = Math.min(Math.max(((i + 0.5) * input) / output - 0.5, 0), input - 1);
    const low = Math.floor(at);
    return { low, high: Math.min(low + 1, input - 1), share: at - low };
  };
  const level = (x: number, y: number) => data[3 * (y * width + x) + channel]!;
  return Array.from({ length: rows * columns }, (_, i) => {
    const y = place(Math.floor(i / columns), height, rows);
    const x = place(i % columns, width, columns);
    const line = (row: number) =>
      level(x.low, row) + (level(x.high, row) - level(x.low, row)) * x.share;
    return Math.floor(line(y.low) + (line(y.high) - line(y.low)) * y.share);
  });
}

for (const [width, height] of [
  [40, 31],
  [3, 2],
  [7, 5],
  [1, 1],
  [64, 1],
] as const) {
  test(`bilinear-noaa of ${width} x ${height}: pixels between, rounded down`, async (t) => {
    const image = noise(width, height);
    using batch = await squash([image], "bilinear-noaa");
    t.deepEqual(batch.shape, [1, 3, 5, 7]);
    const levels = Array.from(await batch.data(), (value) => Math.round((value + 1) * 127.5));
    const wanted = [0, 1, 2].flatMap((channel) => interpolated(image, [5, 7], channel));
    t.deepEqual(levels, wanted);
  });
}

test("every filter leaves a plain picture plain", async (t) => {
  for (const filter of SQUASH_FILTERS) {
    for (const level of [0, 1, 127, 254, 255]) {
      using batch = await squash([picture(33, 19, () => level)], filter);
      const values = await batch.data();
      const wanted = Math.fround(level / 127.5 - 1);
      t.true(
        values.every((value) => Math.abs(value - wanted) < 1e-6),
        `${filter} ${level}`,
      );
    }
  }
});

test("the filter is the processor's where none is named, and they differ", async (t) => {
  const image = noise(40, 31);
  const rows = new Set<string>();
  for (const [resample, filter] of SQUASH_FILTERS.entries()) {
    using named = await squash([image], filter);
    const values = `${await named.data()}`;
    rows.add(values);
    if (filter === "bilinear-noaa") continue;
    using own = await squash([image], undefined, { ...HALVES, resample });
    t.is(`${await own.data()}`, values, filter);
  }
  t.is(rows.size, SQUASH_FILTERS.length);
});

test("pictures of several sizes make one batch, each as alone", async (t) => {
  const images = [noise(40, 31), noise(3, 90), noise(1, 1)];
  for (const filter of ["bicubic", "bilinear-noaa"] as const) {
    using batch = await squash(images, filter);
    const all = await batch.data();
    const size = all.length / images.length;
    for (const [i, image] of images.entries()) {
      using alone = await squash([image], filter);
      t.deepEqual(all.slice(i * size, (i + 1) * size), await alone.data());
    }
  }
});

test("another side than the processor's; what cannot be squashed is refused", async (t) => {
  using batch = await squash([noise(9, 4)], undefined, withSide(HALVES, 3));
  t.deepEqual(batch.shape, [1, 3, 3, 3]);
  t.throws(() => withSide(HALVES, 0.5), { code: "BAD_INPUT" });
  const grey = { data: new Uint8Array(4), width: 2, height: 2, channels: 1 };
  await t.throwsAsync(async () => await squash([grey]), { code: "BAD_INPUT" });
  await t.throwsAsync(async () => await squash([]), { code: "BAD_INPUT" });
  await t.throwsAsync(async () => await squash([noise(2, 2)], "area" as SquashFilter), {
    code: "BAD_INPUT",
    message: /one of nearest, .*bilinear-noaa for the filter but received "area"/,
  });
});
