import { readFileSync } from "node:fs";
import test from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { tensor } from "../../lib/core/create.js";
import { TorchsightError } from "../../lib/core/errors.js";
import { decodeImage } from "../../lib/media/image.js";
import { variant } from "../../lib/models/vit22b/config.js";
import {
  batchOf,
  cropped,
  geometry,
  type ProcessingOptions,
  toPixelValues,
} from "../../lib/models/vit22b/processing.js";
import { fixture } from "./fixtures.js";

const config = (side: number) => variant("mu", { image_size: side });

interface Case extends ProcessingOptions {
  side: number;
}

const cases = JSON.parse(
  readFileSync(fixture("vit22b_processing", "cases.json"), "utf8"),
) as Record<string, Case>;

for (const [name, { side, ...options }] of Object.entries(cases)) {
  test(`${name}: within two levels of Pillow`, async (t) => {
    const picture = await decodeImage(fixture("vit22b_processing", "picture.png"));
    const expected = await decodeImage(fixture("vit22b_processing", `${name}.png`));
    const pixels = await composeJob({}, (steps) => cropped(picture, config(side), options, steps));
    t.deepEqual(pixels.shape, [3, side, side]);
    const got = await pixels.permute([1, 2, 0]).contiguous().data();
    const off = got.map((value, i) => Math.abs(value - expected.data[i]!));
    t.true(Math.max(...off) <= 2, `off by ${Math.max(...off)} levels`);
  });
}

test("geometry: the short side covers 256 for 224, the crop is central", (t) => {
  t.deepEqual(geometry([300, 451], [224, 224]), {
    resized: [256, 385],
    crop: { top: 16, left: 80, height: 224, width: 224 },
  });
  t.deepEqual(geometry([100, 50], [224, 224]), {
    resized: [512, 256],
    crop: { top: 144, left: 16, height: 224, width: 224 },
  });
});

test("geometry: the square protocol crops the central 87.5 %", (t) => {
  t.deepEqual(geometry([300, 451], [224, 224], "square"), {
    resized: [256, 256],
    crop: { top: 16, left: 16, height: 224, width: 224 },
  });
});

test("geometry: a wide model takes a crop of its own shape", (t) => {
  const { resized, crop } = geometry([100, 100], [112, 224]);
  t.deepEqual(resized, [256, 256]);
  t.deepEqual(crop, { top: 72, left: 16, height: 112, width: 224 });
});

test("pixels are mapped to [-1, 1]", async (t) => {
  const levels = tensor(new Uint8Array([0, 51, 255]), { shape: [3, 1, 1] });
  const values = toPixelValues([levels, levels]);
  t.deepEqual(values.shape, [2, 3, 1, 1]);
  t.is(values.dtype, "float32");
  const got = [...(await values.data())].slice(0, 3);
  for (const [i, value] of [-1, -0.6, 1].entries()) t.true(Math.abs(got[i]! - value) < 1e-6);
});

test("tensors of a user: three or four dimensions and the right channels", (t) => {
  const of = config(28);
  const image = tensor(new Float32Array(12), { shape: [3, 2, 2] });
  t.deepEqual(batchOf(image, of).shape, [1, 3, 2, 2]);
  for (const shape of [[12], [1, 12, 1], [2, 6, 1, 1]]) {
    const error = t.throws(() => batchOf(tensor(new Float32Array(12), { shape }), of), {
      instanceOf: TorchsightError,
    });
    t.is(error?.code, "SHAPE");
  }
});

test("unknown options are refused", async (t) => {
  const picture = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
  for (const options of [{ protocol: "centred" }, { resample: "area" }]) {
    const work = composeJob({}, (steps) =>
      cropped(picture, config(28), options as ProcessingOptions, steps),
    );
    await t.throwsAsync(async () => await work, { code: "BAD_INPUT" });
  }
});

test("pictures come from paths, bytes, raw pixels and sharp's own results", async (t) => {
  const path = fixture("vit22b_processing", "centre_down.png");
  const fromPath = await decodeImage(path);
  const { data, width, height, channels } = fromPath;
  t.is(channels, 3);
  t.deepEqual(await decodeImage(readFileSync(path)), fromPath);
  t.deepEqual((await decodeImage(fromPath)).data, data);
  t.deepEqual((await decodeImage({ data, info: { width, height, channels } })).data, data);
});

test("transparency is dropped, grey is asked for and given", async (t) => {
  const rgba = { data: new Uint8Array([10, 20, 30, 0]), width: 1, height: 1, channels: 4 };
  t.deepEqual([...(await decodeImage(rgba)).data], [10, 20, 30]);
  const grey = { data: new Uint8Array([77]), width: 1, height: 1, channels: 1 };
  t.deepEqual([...(await decodeImage(grey)).data], [77, 77, 77]);
  const { data, channels } = await decodeImage(grey, 1);
  t.deepEqual([[...data], channels], [[77], 1]);
});

for (const [name, source, code] of [
  ["a missing file", "/nowhere/picture.png", "NOT_FOUND"],
  ["text", Buffer.from("not a picture"), "BAD_INPUT"],
  ["nothing", new Uint8Array(0), "BAD_INPUT"],
  ["too few bytes", { data: new Uint8Array(3), width: 2, height: 1, channels: 3 }, "BAD_INPUT"],
  ["no width", { data: new Uint8Array(0), width: 0, height: 1, channels: 3 }, "BAD_INPUT"],
] as const) {
  test(`refused with ${code}: ${name}`, async (t) => {
    const error = await t.throwsAsync(decodeImage(source), { instanceOf: TorchsightError });
    t.is(error?.code, code);
    t.false(error?.message.includes("\n"));
  });
}
