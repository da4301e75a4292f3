import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import sharp from "sharp";
import { TorchsightError } from "../../lib/core/errors.js";
import { decodeImage, type ImageSource, writeImage } from "../../lib/media/image.js";
import { CMYK_JPEG, noise, png, resizedJpeg } from "./pictures.js";

const folder = mkdtempSync(join(tmpdir(), "torchsight-image-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** A small colourful picture for encoders. */
const [width, height] = [24, 16];
const colourful = noise(width * height * 3);
const rgb = () => sharp(colourful, { raw: { width, height, channels: 3 } });

/** Rows of big-endian 16 bit samples, each led by a zero for "no filter". */
function rows16(samples: readonly number[], perRow: number): Buffer {
  const rows: number[] = [];
  samples.forEach((sample, i) => {
    if (i % perRow === 0) rows.push(0);
    rows.push(sample >> 8, sample & 255);
  });
  return Buffer.from(rows);
}

test("a colour picture comes as it is, whatever the format", async (t) => {
  for (const encoded of [
    await rgb().png().toBuffer(),
    await rgb().webp({ lossless: true }).toBuffer(),
    await rgb().tiff({ compression: "lzw" }).toBuffer(),
  ]) {
    const image = await decodeImage(encoded);
    t.deepEqual(image, { data: colourful, width, height, channels: 3 });
  }
});

test("16 bits keep their upper half, in colour and in grey", async (t) => {
  const samples = [0, 255, 256, 0x7fff, 0x8000, 0xfffe];
  const colour = png({ width: 2, height: 1, depth: 16, type: 2, rows: rows16(samples, 6) });
  const upper = samples.map((sample) => sample >> 8);
  t.deepEqual([...(await decodeImage(colour)).data], upper);
  const grey = png({ width: 6, height: 1, depth: 16, type: 0, rows: rows16(samples, 6) });
  t.deepEqual([...(await decodeImage(grey, 1)).data], upper);
  const tripled = upper.flatMap((level) => [level, level, level]);
  t.deepEqual([...(await decodeImage(grey)).data], tripled);
});

test("palettes are looked up, bits of grey are spread", async (t) => {
  const palette = new Uint8Array([1, 2, 3, 40, 50, 60, 255, 0, 128]);
  const rows = new Uint8Array([0, 2, 0, 1]);
  const indexed = png({ width: 3, height: 1, depth: 8, type: 3, rows, palette });
  t.deepEqual([...(await decodeImage(indexed)).data], [255, 0, 128, 1, 2, 3, 40, 50, 60]);
  const twoBits = png({ width: 4, height: 1, depth: 2, type: 0, rows: new Uint8Array([0, 0x1b]) });
  t.deepEqual([...(await decodeImage(twoBits, 1)).data], [0, 85, 170, 255]);
});

test("transparency is dropped without blending", async (t) => {
  const pixels = new Uint8Array([10, 20, 30, 0, 200, 100, 50, 128]);
  const encoded = await sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  t.deepEqual([...(await decodeImage(encoded)).data], [10, 20, 30, 200, 100, 50]);
  const greyAlpha = { data: new Uint8Array([7, 0, 9, 255]), width: 2, height: 1, channels: 2 };
  t.deepEqual([...(await decodeImage(greyAlpha)).data], [7, 7, 7, 9, 9, 9]);
});

test("CMYK: the values of Pillow", async (t) => {
  const { data, channels } = await decodeImage(CMYK_JPEG);
  t.is(channels, 3);
  t.deepEqual([...data.subarray(0, 3)], [207, 46, 139]);
  t.is((await decodeImage(CMYK_JPEG, 1)).data[0], 105);
});

test("an embedded profile is ignored, as Pillow does", async (t) => {
  const flat = { create: { width: 2, height: 2, channels: 3, background: "#28a050" } } as const;
  const encoded = await sharp(flat).withIccProfile("p3").png().toBuffer();
  const stored = await sharp(encoded, { ignoreIcc: true }).raw().toBuffer();
  t.true(Math.abs(stored[0]! - 0x28) > 10, "the profile matters");
  t.deepEqual([...(await decodeImage(encoded)).data], [...stored]);
});

test("grey is weighed as Pillow weighs it", async (t) => {
  const data = new Uint8Array([255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3]);
  const grey = await decodeImage({ data, width: 4, height: 1, channels: 3 }, 1);
  t.deepEqual([...grey.data], [76, 150, 29, 2]);
});

test("the orientation that a camera noted is applied", async (t) => {
  const pixels = new Uint8Array([1, 1, 1, 2, 2, 2]);
  const turned = await sharp(pixels, { raw: { width: 2, height: 1, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  t.deepEqual(await decodeImage(turned), {
    data: pixels,
    width: 1,
    height: 2,
    channels: 3,
  });
});

test("of an animation the first frame is taken", async (t) => {
  const frame = (level: number) =>
    sharp({ create: { width: 4, height: 3, channels: 3, background: { r: level, g: 0, b: 0 } } })
      .png()
      .toBuffer();
  const frames = await Promise.all([200, 100, 50].map(frame));
  const joined = () => sharp(frames, { join: { animated: true } });
  for (const encoded of [await joined().gif().toBuffer(), await joined().webp().toBuffer()]) {
    t.is((await sharp(encoded).metadata()).pages, 3);
    const image = await decodeImage(encoded);
    t.deepEqual([image.width, image.height], [4, 3]);
    t.true(Math.abs(image.data[0]! - 200) < 3);
  }
});

test("one pixel, and thirty thousand in a row", async (t) => {
  const rows = new Uint8Array([0, 1, 2, 3]);
  const one = await decodeImage(png({ width: 1, height: 1, depth: 8, type: 2, rows }));
  t.deepEqual(one, { data: rows.subarray(1), width: 1, height: 1, channels: 3 });
  const row = new Uint8Array(1 + 30000).fill(9, 1);
  const wide = await decodeImage(png({ width: 30000, height: 1, depth: 8, type: 0, rows: row }));
  t.deepEqual([wide.width, wide.height, wide.data.at(-1)], [30000, 1, 9]);
});

test("raw pixels are copied", async (t) => {
  const data = Buffer.from([1, 2, 3]);
  const image = await decodeImage({ data, width: 1, height: 1, channels: 3 });
  image.data[0] = 99;
  t.is(data[0], 1);
});

test("the limit of pixels is checked before decoding, against the header", async (t) => {
  const encoded = await rgb().png().toBuffer();
  t.is((await decodeImage(encoded, 3, { maxPixels: width * height })).width, width);
  const error = await t.throwsAsync(decodeImage(encoded, 3, { maxPixels: width * height - 1 }), {
    instanceOf: TorchsightError,
    code: "BAD_INPUT",
  });
  t.is(error?.message, "expected at most 383 pixels for the image but received 24 x 16");
  await t.throwsAsync(decodeImage(encoded, 3, { maxPixels: 0 }), { code: "BAD_INPUT" });
});

const half = async (encoded: Promise<Buffer>) => {
  const bytes = await encoded;
  return bytes.subarray(0, bytes.length / 2);
};
const jpegOf = async (...size: [number, number]) =>
  resizedJpeg(await rgb().jpeg().toBuffer(), ...size);
const hugePng = { width: 60000, height: 60000, depth: 8, type: 2, rows: new Uint8Array(100) };
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>';

for (const [name, source, pattern] of [
  ["a PNG that says 60000 x 60000", png(hugePng), /at most .* received 60000 x 60000/],
  ["a JPEG that says 60000 x 60000", jpegOf(60000, 60000), /received 60000 x 60000/],
  ["a PNG that says more than it has", png({ ...hugePng, width: 99, height: 99 }), /picture/],
  ["a PNG of no size", png({ ...hugePng, width: 0, height: 0 }), /corrupt header/],
  ["half a JPEG", half(rgb().jpeg().toBuffer()), /premature end/],
  ["half a PNG", half(rgb().png().toBuffer()), /picture/],
  ["half a WebP", half(rgb().webp().toBuffer()), /picture/],
  ["a header only", png({ ...hugePng, width: 9, height: 9 }).subarray(0, 40), /picture/],
  ["an SVG", Buffer.from(svg), /received SVG: render it to PNG first/],
  ["text", Buffer.from("hello ".repeat(100)), /unsupported image format/],
  ["no bytes", new Uint8Array(0), /picture/],
  ["a number", 5, /a path, bytes/],
  ["nothing", null, /a path, bytes/],
  ["five channels", { data: new Uint8Array(5), width: 1, height: 1, channels: 5 }, /bytes/],
] as const) {
  test(`refused: ${name}`, async (t) => {
    const error = await t.throwsAsync(decodeImage((await source) as ImageSource), {
      instanceOf: TorchsightError,
      code: "BAD_INPUT",
      message: pattern,
    });
    t.false(error?.message.includes("\n"));
  });
}

test("a JPEG that ends well but lacks data is decoded, as viewers do", async (t) => {
  const { width, height } = await decodeImage(await jpegOf(24, 64));
  t.deepEqual([width, height], [24, 64]);
});

test("paths: what is there is told from what is not", async (t) => {
  const empty = join(folder, "empty.png");
  writeFileSync(empty, "");
  for (const [path, code, pattern] of [
    [join(folder, "none.png"), "NOT_FOUND", /there is no file/],
    ["", "NOT_FOUND", /there is no file/],
    ["a\0b", "NOT_FOUND", /there is no file/],
    [folder, "BAD_INPUT", /but received a folder$/],
    [empty, "BAD_INPUT", /but received an empty file$/],
    ...(process.platform === "win32" ? [] : ([["/dev/null", "BAD_INPUT", /a device/]] as const)),
  ] as const) {
    await t.throwsAsync(decodeImage(path), { code, message: pattern });
  }
});

test("writing: what was written comes back", async (t) => {
  const image = { data: colourful, width, height, channels: 3 };
  const path = join(folder, "written.PNG");
  await writeImage(image, path);
  t.deepEqual(await decodeImage(path), image);
  for (const ending of ["jpg", "webp", "gif", "tiff", "avif"]) {
    const other = join(folder, `written.${ending}`);
    await writeImage(image, other);
    t.is((await decodeImage(other)).width, width);
  }
});

test("writing: refused with a reason", async (t) => {
  const image = { data: new Uint8Array(3 * 20000), width: 20000, height: 1, channels: 3 };
  for (const [path, code, pattern] of [
    [join(folder, "none", "a.png"), "NOT_FOUND", /there is no folder/],
    [join(folder, "a.txt"), "BAD_INPUT", /an ending of/],
    [join(folder, "a"), "BAD_INPUT", /an ending of/],
    [join(folder, "a.webp"), "BAD_INPUT", /expected a file that can be written/],
  ] as const) {
    await t.throwsAsync(writeImage(image, path), { code, message: pattern });
  }
  const short = { ...image, width: 20001 };
  await t.throwsAsync(writeImage(short, join(folder, "a.png")), { code: "BAD_INPUT" });
});
