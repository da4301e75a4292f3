import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { tensor } from "../../lib/core/create.js";
import { TorchsightError } from "../../lib/core/errors.js";
import { ops } from "../../lib/core/ops.js";
import { native } from "../../lib/core/runtime.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { decodeImage, type RawImage } from "../../lib/media/image.js";
import { axis, resample } from "../../lib/media/resample.js";
import {
  bilinear,
  cornerAligned,
  type Rule,
  skimage,
  upTo,
} from "../../lib/media/resample_rules.js";
import { boxMap, contentBox, toPixelValues } from "../../lib/models/owlvit/processing.js";
import {
  adjusted,
  type ProcessingOptions,
  type Processor,
  parseProcessor,
} from "../../lib/models/owlvit/processor.js";
import { fixture, numbers, tensorsOf } from "./fixtures.js";

const FOLDER = "owlvit_processing";
const expected = await tensorsOf(fixture(FOLDER, "pixels.safetensors"));
const processors = JSON.parse(readFileSync(fixture(FOLDER, "processors.json"), "utf8")) as Record<
  "owlvit" | "owlv2",
  { transformers: object; ours: Processor }
>;

/** Expected tensors whose names begin with `kind`, with the parts of their names after it. */
const cases = (kind: string) =>
  Object.entries(expected)
    .map(([name, values]) => ({ name, parts: name.split("/"), values }))
    .filter(({ parts }) => parts[0] === kind);

const picture = (name: string) => decodeImage(fixture(FOLDER, `${name}.png`));

const model = (type: "owlvit" | "owlv2", side: number) => ({ model_type: type, imageSize: side });

/** The default processor of OWLv2, or of OWL-ViT for `hf`, with those options. */
const processor = (side: number, options: ProcessingOptions = {}) =>
  adjusted(parseProcessor(undefined, model("owlv2", side)), options);

const prepare = (images: readonly RawImage[], using: Processor, side?: number) =>
  composeJob({}, (steps) => toPixelValues(images, using, steps, side));

const plain = (p: Processor): Processor => ({ ...p, do_normalize: false });

/** Resizes a picture of bytes or a table of numbers by one rule for both axes. */
function byRule(
  pixels: Tensor,
  rule: (input: number, output: number) => Rule,
  [rows, columns]: readonly [number, number],
  beyond = 0,
): PromiseLike<Tensor<"float32">> {
  const [height, width] = pixels.shape as [number, number];
  const vertical = axis(rule(height, rows), height, rows);
  const horizontal = axis(rule(width, columns), width, columns);
  return composeJob({}, (steps) => resample(pixels, vertical, horizontal, { beyond }, steps));
}

async function near(t: ExecutionContext, got: Tensor, want: Tensor, gate: number): Promise<void> {
  t.is(`${got.shape}`, `${want.shape}`);
  const [values, wanted] = [await numbers(got), await numbers(want)];
  const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
  t.true(worst <= gate, `off by ${worst}`);
}

/** Levels within 2 everywhere, and within 1 for 99.5 % of them. */
async function nearLevels(t: ExecutionContext, values: Tensor, levels: Tensor): Promise<void> {
  const [got, want] = [await numbers(values), await numbers(levels)];
  const off = got.map((value, i) => Math.abs(255 * value - want[i]!));
  t.is(got.length, want.length);
  t.true(Math.max(...off) <= 2.001, `off by ${Math.max(...off)}`);
  t.true(off.filter((one) => one <= 1.001).length >= 0.995 * off.length);
}

const pixelsOf = ({ data, height, width }: RawImage) => tensor(data, { shape: [height, width, 3] });

for (const { name, parts, values } of cases("skimage")) {
  test(`${name}: as skimage.transform.resize`, async (t) => {
    const image = await picture(parts[1]!);
    const [, rows, columns] = values.shape as [number, number, number];
    const got = await byRule(pixelsOf(image), skimage, [rows, columns]);
    await near(t, ops.div(got, 255), values, 1e-6);
  });
}

for (const { name, parts, values } of cases("hf")) {
  test(`${name}: within two levels of OwlViTImageProcessorPil`, async (t) => {
    const using = parseProcessor(undefined, model("owlvit", Number(parts[2])));
    t.is(using.protocol, "hf");
    const got = await prepare([await picture(parts[1]!)], plain(using));
    await nearLevels(t, ops.squeeze(got, 0), values);
  });
}

for (const { name, parts, values } of cases("filter")) {
  test(`${name}: within two levels of Pillow's filter`, async (t) => {
    const input = { resample: Number(parts[1]) };
    const using = parseProcessor(input, model("owlvit", Number(parts[2])));
    await nearLevels(t, await prepare([await picture("photo")], plain(using)), values);
  });
}

for (const { name, parts, values } of cases("pad")) {
  test(`${name}: as Owlv2ImageProcessorPil`, async (t) => {
    const using = processor(Number(parts[2]), { padValue: 0 });
    t.is(using.protocol, "pad");
    const got = await prepare([await picture(parts[1]!)], using);
    await near(t, ops.squeeze(got, 0), values, 1e-5);
  });
}

for (const { name, parts, values } of cases("hf-fast")) {
  test(`${name}: as Owlv2ImageProcessor on torchvision`, async (t) => {
    const using = processor(Number(parts[2]), { resize: "hf-fast", padValue: 0.25 });
    const got = await prepare([await picture(parts[1]!)], plain(using));
    await near(t, ops.squeeze(got, 0), values, 1e-5);
  });
}

for (const { name, parts, values } of cases("scenic-eval")) {
  test(`${name}: as scenic's evaluation`, async (t) => {
    const using = processor(Number(parts[2]), { protocol: "scenic-eval", padValue: 0.25 });
    const got = await prepare([await picture(parts[1]!)], plain(using));
    await near(t, ops.squeeze(got, 0), values, 1e-5);
  });
}

for (const { name, parts, values } of cases("zoom").filter(({ parts }) => parts[3] === "table")) {
  test(`${name}: as scipy.ndimage.zoom of order 1`, async (t) => {
    const side = Number(parts[2]);
    const zoomed = expected[name.replace("/table", "/zoomed")]!;
    const got = await byRule(values, cornerAligned, [side, side]);
    await near(t, got.permute([1, 2, 0]), zoomed, 1e-6);
  });
}

test("normalised values are those of OwlViTImageProcessorPil", async (t) => {
  const image = await picture("square");
  const got = await prepare([image], parseProcessor(undefined, model("owlvit", image.width)));
  await near(t, ops.squeeze(got, 0), expected.normalised!, 1e-6);
});

test("do_pad false squashes by the same rule", async (t) => {
  const side = expected.unpadded!.shape[1]!;
  const using = parseProcessor({ do_pad: false }, model("owlv2", side));
  const got = await prepare([await picture("tall")], using);
  await near(t, ops.squeeze(got, 0), expected.unpadded!, 1e-5);
});

test("hf-fast blurs nothing where one side is not shrunk", async (t) => {
  const image = await picture("tall");
  t.true(image.height > 12 && image.width < 40);
  const input = { do_pad: false, resize_rule: "hf-fast", size: [12, 40] };
  const got = await prepare([image], plain(parseProcessor(input, model("owlv2", 40))));
  const pixels_1CHW = ops.unsqueeze(pixelsOf(image).to("float32").permute([2, 0, 1]), 0);
  await near(t, got, ops.div(ops.upsample_bilinear2d(pixels_1CHW, [12, 40], false), 255), 1e-5);
});

test("linear rules agree with libtorch's, on pictures of many strips", async (t) => {
  const [height, width] = [2100, 801];
  const data = new Float32Array(height * width * 3).map((_, i) => ((i * 7919) % 1009) / 1009);
  const pixels = tensor(data, { shape: [height, width, 3] });
  const pixels_1CHW = pixels.permute([2, 0, 1]).unsqueeze(0);
  for (const [rule, aligned] of [
    [bilinear, false],
    [cornerAligned, true],
  ] as const) {
    const got = await byRule(pixels, rule, [333, 900]);
    const want = ops.upsample_bilinear2d(pixels_1CHW, [333, 900], aligned);
    // libtorch's positions are float32: at 2,100 they are 2e-4 apart.
    await near(t, got, ops.squeeze(want, 0), 5e-4);
  }
});

test("what lies beyond a picture costs no pixels and has its value", async (t) => {
  const pixels = tensor(new Float32Array([1, 2, 3, 4]), { shape: [2, 2, 1] });
  const whole = ops.constant_pad_nd(pixels, [0, 0, 0, 3, 0, 3], 0.25);
  const [rule, size] = [skimage(5, 3), 3];
  const part = axis(rule, 2, size);
  const got = await composeJob({}, (steps) =>
    resample(pixels, part, part, { beyond: 0.25 }, steps),
  );
  await near(t, got, await byRule(whole, skimage, [size, size]), 1e-6);
  const kept = axis(upTo(1, bilinear(2, 1)), 2, size);
  const sums = await composeJob({}, (steps) => resample(pixels, kept, kept, { beyond: 7 }, steps));
  t.deepEqual([...(await sums.data())], [2.5, 7, 7, 7, 7, 7, 7, 7, 7]);
  const other = composeJob({}, (steps) => resample(whole, kept, kept, {}, steps));
  await t.throwsAsync(async () => await other, {
    code: "SHAPE",
    message: "expected shape [2, 2, C] for the pixels but received [5, 5, 1]",
  });
});

test("pictures of several sizes make one batch, each as alone", async (t) => {
  const images = [await picture("photo"), await picture("tall"), await picture("row")];
  for (const protocol of ["hf", "pad", "scenic-eval"] as const) {
    const using = processor(32, { protocol });
    const batch = await prepare(images, using);
    t.deepEqual(batch.shape, [3, 3, 32, 32]);
    for (const [i, image] of images.entries()) {
      await near(t, ops.narrow(batch, 0, i, 1), await prepare([image], using), 0);
    }
  }
});

test.serial("nothing but the batch is left of the work", async (t) => {
  const images = [await picture("photo"), await picture("tall")];
  for (const protocol of ["hf", "pad", "scenic-eval"] as const) {
    const before = native().tensorCounters().tensors;
    using batch = await prepare(images, processor(32, { protocol }));
    t.is(native().tensorCounters().tensors, before + 1, `${batch.shape}`);
  }
});

test("another size than the processor's", async (t) => {
  const image = await picture("photo");
  const got = await prepare([image], processor(48), 30);
  await near(t, got, await prepare([image], processor(30)), 0);
  await t.throwsAsync(async () => await prepare([image], processor(48), 0), { code: "BAD_INPUT" });
});

test("padding is below and to the right, normalised as pixels are", async (t) => {
  const black = { data: new Uint8Array(6 * 3 * 3), width: 6, height: 3, channels: 3 };
  for (const [protocol, value] of [
    ["pad", 0.5],
    ["scenic-eval", 0],
  ] as const) {
    const using = processor(6, { protocol });
    t.is(using.pad_value, value);
    const got = await (await prepare([black], using)).data();
    const normalised = (level: number) => (level - using.image_mean[0]!) / using.image_std[0]!;
    for (let at = 0; at < 36; at += 1) {
      t.true(Math.abs(got[at]! - normalised(at < 18 ? 0 : value)) < 1e-6, `${protocol} ${at}`);
    }
  }
});

test("pictures that are not resized must be of one size", async (t) => {
  const using = parseProcessor({ do_resize: false, do_normalize: false }, model("owlv2", 9));
  const image = await picture("tall");
  const got = await prepare([image, image], using);
  t.deepEqual(got.shape, [2, 3, image.height, image.height]);
  const { data } = image;
  t.true(Math.abs((await got.data())[0]! - data[0]! / 255) < 1e-7);
  const others = async () => await prepare([image, await picture("wide")], using);
  await t.throwsAsync(others, { code: "SHAPE", message: /one size/ });
});

test("values are left as they are where the processor says so", async (t) => {
  const image = await picture("square");
  const input = { do_rescale: false, do_normalize: false };
  const got = await prepare([image], parseProcessor(input, model("owlvit", image.width)));
  const want = ops.permute(pixelsOf(image), [2, 0, 1]);
  await near(t, ops.squeeze(got, 0), want, 0);
});

test("no pictures and pictures of other channels are refused", async (t) => {
  const grey = { data: new Uint8Array(4), width: 2, height: 2, channels: 1 };
  for (const images of [[], [grey]]) {
    await t.throwsAsync(async () => await prepare(images, processor(4)), { code: "BAD_INPUT" });
  }
});

test("preparing ends when the job that asks for it is cancelled", async (t) => {
  const image = await picture("photo");
  for (const protocol of ["hf", "pad"] as const) {
    const abort = new AbortController();
    const job = composeJob({ signal: abort.signal }, async (steps) => {
      abort.abort();
      const prepared = toPixelValues([image], processor(960, { protocol }), steps);
      await t.throwsAsync(prepared, { code: "CANCELLED" });
    });
    await t.throwsAsync(async () => await job, { code: "CANCELLED" });
  }
});

const SHAPES = [
  { width: 640, height: 480 },
  { width: 480, height: 640 },
  { width: 512, height: 512 },
];

/** Where a white rectangle of the picture is in the model's input, in its frame. */
async function located(image: RawImage, using: Processor): Promise<number[]> {
  const values = await (await prepare([image], plain(using))).data();
  const { height, width } = using.size;
  const sums = [new Float64Array(width), new Float64Array(height)];
  for (let at = 0; at < height * width; at += 1) {
    sums[0]![at % width]! += values[at]!;
    sums[1]![Math.floor(at / width)]! += values[at]!;
  }
  // A line's coverage is its sum over that of a covered one, and the edges are where it begins.
  return [0, 1, 0, 1].map((along, corner) => {
    const line = sums[along]!;
    const full = line.toSorted().at(-10)!;
    const covered = line.map((sum) => Math.min(Math.max(sum / full, 0), 1));
    const middle = covered.findIndex((share) => share > 0.99) + 2;
    const [before, after] = [covered.slice(0, middle), covered.slice(middle)];
    const sum = (part: Float64Array) => part.reduce((total, share) => total + share, 0);
    const edge = corner < 2 ? middle - sum(before) : middle + sum(after);
    return edge / line.length;
  });
}

for (const protocol of ["hf", "pad", "scenic-eval"] as const) {
  for (const { width, height } of SHAPES) {
    test(`${protocol}: a box of a ${width} x ${height} picture comes back`, async (t) => {
      const box = [100, 60, 300, 400];
      const data = new Uint8Array(width * height * 3);
      for (let y = box[1]!; y < box[3]!; y += 1) {
        data.fill(255, 3 * (y * width + box[0]!), 3 * (y * width + box[2]!));
      }
      const using = processor(384, { protocol, padValue: 0 });
      const { x, y } = boxMap({ width, height }, using);
      const found = await located({ data, width, height, channels: 3 }, using);
      const pixels = found.map((value, i) => value * (i % 2 === 0 ? x : y));
      for (const [i, value] of pixels.entries()) {
        t.true(Math.abs(value - box[i]!) < 0.5, `${pixels} is not ${box}`);
      }
    });
  }
}

test("boxes are in units of the picture or of the square it is padded to", (t) => {
  const image = { width: 640, height: 480 };
  t.deepEqual(boxMap(image, processor(960, { protocol: "hf" })), { x: 640, y: 480 });
  t.deepEqual(boxMap(image, processor(960)), { x: 640, y: 640 });
  t.deepEqual(boxMap(image, processor(960, { protocol: "scenic-eval" })), { x: 640, y: 640 });
  t.deepEqual(boxMap({ width: 3, height: 7 }, processor(10, { protocol: "scenic-eval" })), {
    x: 7,
    y: 7,
  });
  const wide = { ...processor(1, { protocol: "scenic-eval" }), size: { height: 100, width: 200 } };
  t.deepEqual(boxMap(image, wide), { x: 960, y: 480 });
  const squashed = parseProcessor({ do_pad: false }, model("owlv2", 960));
  t.deepEqual(boxMap(image, squashed), { x: 640, y: 480 });
  t.deepEqual([...contentBox(image, processor(960))], [0, 0, 1, 0.75]);
  t.deepEqual([...contentBox(image, squashed)], [0, 0, 1, 1]);
});

for (const type of ["owlvit", "owlv2"] as const) {
  const { transformers, ours } = processors[type];
  test(`${type}: transformers' file gives the processor that it can load again`, (t) => {
    t.deepEqual(parseProcessor(transformers, model(type, 1)), ours);
    t.deepEqual(parseProcessor(JSON.parse(JSON.stringify(ours)), model(type, 1)), ours);
    t.deepEqual(parseProcessor(undefined, model(type, ours.size.height)), ours);
  });
}

test("early files: sizes as numbers or lists, the flag rescale, null for nothing", (t) => {
  const of = (input: object) => parseProcessor(input, model("owlvit", 768));
  t.deepEqual(of({ size: 384 }).size, { height: 384, width: 384 });
  t.deepEqual(of({ size: [384, 256] }).size, { height: 384, width: 256 });
  t.false(of({ rescale: false, do_rescale: true }).do_rescale);
  t.deepEqual(of({ image_std: 0.5 }).image_std, [0.5, 0.5, 0.5]);
  t.deepEqual(of({ crop_size: null, do_center_crop: null, size: null }), of({}));
  t.deepEqual(of({ do_center_crop: true, crop_size: 768 }), of({}));
  t.deepEqual(of({ feature_extractor_type: "X", do_convert_rgb: true }), of({}));
});

for (const [name, input, message] of [
  ["a list", [], /an object for the preprocessor config/],
  ["a short side", { size: { shortest_edge: 768 } }, /pixels or \{height, width\} for size/],
  ["no pixels", { size: 0 }, /for size but received 0/],
  ["an unknown filter", { resample: 6 }, /from 0 to 5 for resample but received 6/],
  ["a filter by name", { resample: "bicubic" }, /from 0 to 5 for resample/],
  ["a flag as text", { do_resize: "yes" }, /true or false for do_resize/],
  ["two means", { image_mean: [0.5, 0.5] }, /three numbers for image_mean/],
  ["no spread", { image_std: [1, 0, 1] }, /three numbers above 0 for image_std/],
  ["no factor", { rescale_factor: 0 }, /above 0 and at most 1 for rescale_factor/],
  ["a crop", { do_center_crop: true, crop_size: 700 }, /false, or a crop_size equal to size/],
  ["a protocol", { protocol: "square" }, /one of hf, pad, scenic-eval for protocol/],
  ["a pad value", { pad_value: "grey" }, /a number for pad_value/],
  ["a rule", { resize_rule: "area" }, /one of skimage, hf-fast for resize_rule/],
] as const) {
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => parseProcessor(input, model("owlvit", 768)), {
      instanceOf: TorchsightError,
    });
    t.is(error?.code, "BAD_CONFIG");
    t.regex(error?.message ?? "", message);
  });
}

test("options for one call: another protocol has its own value to pad with", (t) => {
  const first = parseProcessor(undefined, model("owlvit", 768));
  const padded = adjusted(first, { protocol: "pad" });
  t.like(padded, { protocol: "pad", do_pad: true, pad_value: 0.5 });
  t.is(adjusted(padded, { protocol: "scenic-eval" }).pad_value, 0);
  t.is(adjusted({ ...padded, pad_value: 0.3 }, { protocol: "pad" }).pad_value, 0.3);
  t.deepEqual(adjusted(padded, {}), padded);
  for (const options of [{ protocol: "square" }, { resize: "area" }, { padValue: Number.NaN }]) {
    t.throws(() => adjusted(first, options as ProcessingOptions), { code: "BAD_INPUT" });
  }
});
