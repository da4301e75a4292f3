/** Transforms: decoding, parts and sizes, levels, labels. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { composeJob } from "../../lib/core/compose.js";
import {
  DataLoader,
  type DecodedSample,
  type Sample,
  type SampleBox,
  type Transform,
} from "../../lib/data/index.js";
import { Random } from "../../lib/data/shapesworld/random.js";
import { compose } from "../../lib/data/transforms.js";
import type { RawImage } from "../../lib/media/image.js";
import { parseConfig } from "../../lib/models/vit22b/config.js";
import { cropped } from "../../lib/models/vit22b/processing.js";
import { CMYK_JPEG, noise, png } from "../media/pictures.js";
import { numbered } from "../media/videos.js";
import { CONFIG } from "../train/runs.js";
import { taken, temporaryFolder } from "./loading.js";
import { writeText } from "./pictures.js";

/** A picture whose pixels tell their place: red is the column, green the row. */
function placed(width: number, height: number): RawImage {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at += 1) {
    data.set([at % width, Math.floor(at / width), 7], 3 * at);
  }
  return { data, width, height, channels: 3 };
}

async function made(sample: Omit<Sample, "name">, transforms: readonly Transform[], seed = 1) {
  const all = await compose(transforms);
  return (await all({ name: "x", ...sample }, new Random(seed, 0, 0))) as DecodedSample;
}

const picture = ({ images: [image] }: DecodedSample) => image!;

test("the middle is cut out, and boxes go along", async (t) => {
  const boxes: SampleBox[] = [
    [0, 0, 3, 3],
    [2, 1, 6, 5],
    [9, 5, 10, 6],
  ];
  const sample = { images: [placed(10, 7)], boxes, boxLabels: [4, 5, 6], labels: [4, 5, 6] };
  const cut = await made(sample, [{ kind: "centerCrop", size: [4, 6] }]);
  const { data, width, height } = picture(cut);
  t.deepEqual([width, height], [6, 4]);
  t.deepEqual([...data.subarray(0, 6)], [2, 1, 7, 3, 1, 7]);
  t.deepEqual(cut.boxes, [
    [0, 0, 1, 2],
    [0, 0, 4, 4],
  ]);
  t.deepEqual(cut.boxLabels, [4, 5]);
  const large = made(sample, [{ kind: "centerCrop", size: [8, 6] }]);
  await t.throwsAsync(large, { message: /at least 8 x 6 pixels .*7 x 10/ });
});

test("left and right change places, by chance", async (t) => {
  const sample = { images: [placed(5, 2), placed(5, 2)], boxes: [[1, 0, 2, 2] as const] };
  const flipped = await made(sample, [{ kind: "flip", probability: 1 }]);
  for (const image of flipped.images) {
    t.deepEqual([...image.data.subarray(0, 6)], [4, 0, 7, 3, 0, 7]);
  }
  t.deepEqual(flipped.boxes, [[3, 0, 4, 2]]);
  const kept = await made(sample, [{ kind: "flip", probability: 0 }]);
  t.deepEqual(kept.images, sample.images);
  let count = 0;
  for (let seed = 0; seed < 200; seed += 1) {
    const one = await made({ images: [placed(2, 1)] }, [{ kind: "flip" }], seed);
    count += picture(one).data[0]!;
  }
  t.true(count > 70 && count < 130, `${count}`);
});

test("sizes are brought to, filled or covered", async (t) => {
  const sample = { images: [placed(20, 10)], boxes: [[2, 2, 10, 5] as const] };
  const filled = await made(sample, [{ kind: "resize", size: [5, 5] }]);
  t.deepEqual([picture(filled).width, picture(filled).height], [5, 5]);
  t.deepEqual(filled.boxes, [[0.5, 1, 2.5, 2.5]]);
  const covered = await made(sample, [{ kind: "resize", size: [5, 5], fit: "cover" }]);
  t.deepEqual([picture(covered).width, picture(covered).height], [10, 5]);
  t.deepEqual(covered.boxes, [[1, 1, 5, 2.5]]);
});

test("crops by chance keep within share and aspect ratio, and come from everywhere", async (t) => {
  const [width, height] = [200, 120];
  const left: number[] = [];
  for (let seed = 0; seed < 120; seed += 1) {
    const area = [0.2, 0.6] as const;
    const aspect = [0.5, 2] as const;
    const crop = { kind: "inceptionCrop", size: [32, 32], area, aspect } as const;
    const cut = await made({ images: [placed(width, height)] }, [crop], seed);
    const { data } = picture(cut);
    const end = data.length - 3;
    // The corners tell where the part was, to a pixel or so of it.
    const spans = [data[end]! - data[0]!, data[end + 1]! - data[1]!].map((n) => (n * 32) / 31);
    const share = (spans[0]! * spans[1]!) / (width * height);
    t.true(share > 0.14 && share < 0.7, `${share}`);
    const ratio = spans[0]! / spans[1]!;
    t.true(ratio > 0.42 && ratio < 2.4, `${ratio}`);
    left.push(data[0]!);
  }
  t.true(Math.min(...left) < 8 && Math.max(...left) > 90);
  const thin = { images: [placed(200, 2)] };
  const cut = await made(thin, [{ kind: "inceptionCrop", size: [8, 8], area: [0.9, 1] }]);
  t.deepEqual([picture(cut).width, picture(cut).height], [8, 8]);
  // No part fits: the largest in the middle, 3 wide.
  t.true(
    picture(cut)
      .data.filter((_, at) => at % 3 === 0)
      .every((x) => x >= 98 && x <= 101),
  );
});

test("pictures for evaluation are those that ViT-22B's own processing makes", async (t) => {
  const smooth = await sharp(noise(30 * 20 * 3), { raw: { width: 30, height: 20, channels: 3 } })
    .resize(300, 200, { kernel: "cubic" })
    .raw()
    .toBuffer();
  const image = { data: new Uint8Array(smooth), width: 300, height: 200, channels: 3 };
  const config = parseConfig({ ...CONFIG, image_size: 112, patch_size: 14 });
  const expected = await composeJob({}, (steps) => cropped(image, config, {}, steps));
  const { data: levels } = picture(
    await made({ images: [image] }, [
      { kind: "resize", size: [128, 128], fit: "cover" },
      { kind: "centerCrop", size: [112, 112] },
    ]),
  );
  const planes = await expected.data();
  const area = 112 * 112;
  let [most, sum] = [0, 0];
  for (let at = 0; at < area; at += 1) {
    for (const channel of [0, 1, 2]) {
      const gap = Math.abs(levels[3 * at + channel]! - planes[channel * area + at]!);
      [most, sum] = [Math.max(most, gap), sum + gap];
    }
  }
  t.true(most <= 3, `${most}`);
  t.true(sum / (3 * area) < 0.6, `${sum / (3 * area)}`);
});

test("levels become numbers, plane by plane", async (t) => {
  const data = Uint8Array.of(0, 51, 255, 255, 0, 102);
  const sample = { images: [{ data, width: 2, height: 1, channels: 3 }] };
  const array = (await made(sample, [{ kind: "pixels" }])).arrays!.pixel_values!;
  t.deepEqual(array.shape, [3, 1, 2]);
  const floats = (...values: number[]) => Float32Array.from(values);
  t.deepEqual(array.data, floats(-1, 1, -0.6, -1, 1, -0.2));
  const options = { mean: [0, 0.2, 0], std: [1, 0.5, 2] } as const;
  const scaled = (await made(sample, [{ kind: "pixels", ...options }])).arrays!.pixel_values!;
  t.deepEqual(scaled.data, floats(0, 1, 0, -0.4, 0.5, 0.2));
  const clip = { images: [sample.images[0]!, sample.images[0]!] };
  const frames = (await made(clip, [{ kind: "pixels" }])).arrays!.pixel_values!;
  t.deepEqual(frames.shape, [2, 3, 1, 2]);
  t.deepEqual(frames.data.slice(6), array.data);
});

test("labels become zeros and ones, or an index", async (t) => {
  const images = [placed(1, 1)];
  const hot = await made({ images, labels: [0, 2] }, [{ kind: "labels", count: 4 }]);
  t.deepEqual(hot.arrays!.labels, { data: Float32Array.of(1, 0, 1, 0), shape: [4] });
  const none = await made({ images }, [{ kind: "labels", count: 2 }]);
  t.deepEqual(none.arrays!.labels!.data, Float32Array.of(0, 0));
  const index = { kind: "labels", count: 4, as: "index" } as const;
  const one = await made({ images, labels: [3] }, [index]);
  t.deepEqual(one.arrays!.labels, { data: BigInt64Array.of(3n), shape: [] });
  await t.throwsAsync(made({ images, labels: [1, 2] }, [index]), { message: /one for the labels/ });
  await t.throwsAsync(made({ images, labels: [4] }, [index]), { message: /below 4 for a label/ });
});

test("files are decoded upright, in three channels of eight bits", async (t) => {
  const folder = temporaryFolder();
  const lines: object[] = [];
  const write = (name: string, bytes: Uint8Array, level: readonly number[]) => {
    writeFileSync(join(folder, name), bytes);
    lines.push({ image: name, labels: level });
  };
  const raw = (channels: 1 | 2 | 4, pixel: number[]) =>
    sharp(
      Uint8Array.from({ length: 64 * channels }, (_, at) => pixel[at % channels]!),
      {
        raw: { width: 8, height: 8, channels },
      },
    );
  write("grey.png", await raw(1, [90]).toColourspace("b-w").png().toBuffer(), [90, 90, 90]);
  write("alpha.png", await raw(4, [10, 20, 30, 0]).png().toBuffer(), [10, 20, 30]);
  write("cmyk.jpg", CMYK_JPEG, [206, 45, 139]);
  const rows = Uint8Array.from({ length: 8 * 17 }, (_, at) =>
    at % 17 === 0 ? 0 : at % 2 ? 200 : 3,
  );
  const deep = png({ width: 8, height: 8, depth: 16, type: 0, rows });
  const level = (await sharp(deep).raw({ depth: "ushort" }).toBuffer())[1]!;
  write("deep.png", deep, [level, level, level]);
  const file = writeText(
    folder,
    "data.jsonl",
    lines.map((line) => JSON.stringify(line)).join("\n"),
  );
  const loader = await DataLoader.open(
    { kind: "jsonl", file },
    { batch: 4, shuffle: false, transforms: [{ kind: "pixels" }], maxBad: 0 },
  );
  const [batch] = await taken(loader);
  const values = batch!.pixel_values!.map((value) => Math.round((value + 1) * 127.5));
  for (const [row, expected] of lines.entries()) {
    const planes = [0, 1, 2].map((channel) => values[(3 * row + channel) * 64 + 27]!);
    const { labels } = expected as { labels: number[] };
    for (const [channel, one] of planes.entries()) {
      t.true(Math.abs(one - labels[channel]!) <= 4, `${JSON.stringify(expected)}: ${planes}`);
    }
  }
});

test("the orientation that a camera noted is applied before parts are cut", async (t) => {
  const { data, width, height } = placed(12, 4);
  const turned = await sharp(data, { raw: { width, height, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .tiff({ compression: "none" })
    .toBuffer();
  const sample = await made({ images: [new Uint8Array(turned)] }, [
    { kind: "centerCrop", size: [12, 2] },
  ]);
  // A quarter turn to the right: columns become rows.
  const { data: pixels, width: wide } = picture(sample);
  t.is(wide, 2);
  t.deepEqual([...pixels.subarray(0, 3)], [0, 2, 7]);
  t.deepEqual([...pixels.subarray(6, 9)], [1, 2, 7]);
});

test("pictures that cannot be decoded are bad samples that name their file", async (t) => {
  const folder = temporaryFolder();
  const good = await sharp(placed(8, 8).data, { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toBuffer();
  writeFileSync(join(folder, "a.png"), good);
  writeFileSync(join(folder, "b.png"), good.subarray(0, 60));
  writeFileSync(join(folder, "c.png"), "no picture");
  writeFileSync(join(folder, "d.png"), "");
  const told: string[] = [];
  const loader = await DataLoader.open(
    { kind: "folder", folder },
    {
      batch: 4,
      dropLast: false,
      workers: 1,
      transforms: [{ kind: "decode", maxPixels: 64 }, { kind: "pixels" }],
      onBad: ({ name, message }) => told.push(`${name.slice(folder.length + 1)}: ${message}`),
    },
  );
  const [batch, ...others] = await taken(loader);
  t.is(batch!.pixel_values!.length, 3 * 64);
  t.is(others.length, 0);
  t.deepEqual(told.map((one) => one.slice(0, 6)).sort(), ["b.png:", "c.png:", "d.png:"]);
  t.true(told.every((one) => /expected a picture for .*\.png/.test(one)));
});

test("videos give their first frames, all cut alike", async (t) => {
  const folder = temporaryFolder();
  await numbered(join(folder, "clip.mp4"), { frames: 8, fps: 8, width: 32, height: 16 });
  const file = writeText(folder, "data.jsonl", '{"video": "clip.mp4", "caption": "darker"}');
  const told: string[] = [];
  const open = (frames: number) =>
    DataLoader.open(
      { kind: "jsonl", file },
      {
        batch: 1,
        dropLast: false,
        workers: 1,
        transforms: [
          { kind: "decode", frames, fps: 4 },
          { kind: "inceptionCrop", size: [8, 8] },
          { kind: "pixels", mean: [0, 0, 0], std: [1, 1, 1] },
        ],
        onBad: ({ message }) => told.push(message),
      },
    );
  const [batch] = await taken(await open(3));
  const levels = [0, 1, 2].map((frame) => batch!.pixel_values![frame * 3 * 64]! * 255);
  t.is(batch!.pixel_values!.length, 3 * 3 * 64);
  // Two levels of frames that are half a second apart differ by 20.
  t.true(Math.abs(levels[1]! - levels[0]! - 20) < 6 && Math.abs(levels[2]! - levels[1]! - 20) < 6);
  t.deepEqual(await taken(await open(5)), []);
  t.deepEqual(
    told.map((message) => message.replace(folder, "")),
    ["expected 5 frames in /clip.mp4 but it has 4"],
  );
});
