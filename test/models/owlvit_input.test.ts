/** Bad input to the detector: a typed error or the documented result, never a crash. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import test, { type ExecutionContext } from "ava";
import sharpImage from "sharp";
import { ones } from "../../lib/core/create.js";
import { type ErrorCode, TorchsightError } from "../../lib/core/errors.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import type { ImageSource } from "../../lib/media/image.js";
import {
  type DetectOptions,
  type ExampleQueryOptions,
  OwlViT,
  type OwlViTLoadOptions,
  Queries,
} from "../../lib/models/owlvit/index.js";
import { CMYK_JPEG, noise, png, resizedJpeg } from "../media/pictures.js";
import { fixture, temporary } from "./fixtures.js";
import {
  folderWith,
  noisy,
  PATCHES,
  sharp,
  smallConfig,
  TYPES,
  tokenizerFolder,
  untrained,
} from "./owlvit_models.js";

const models = { owlvit: await sharp("owlvit"), owlv2: await sharp("owlv2") };
const PICTURE = noisy(64, 48);
const ALL = { threshold: 0 };

/** Checks that work fails as it should, at once or later. */
async function refused(
  t: ExecutionContext,
  name: string,
  code: ErrorCode,
  work: () => PromiseLike<unknown>,
): Promise<TorchsightError> {
  const error = await t.throwsAsync(async () => await work(), undefined, name);
  t.true(error instanceof TorchsightError, `${name}: ${error}`);
  t.is((error as TorchsightError).code, code, `${name}: ${error?.message}`);
  return error as TorchsightError;
}

const rgb = (width: number, height: number) =>
  sharpImage(noise(width * height * 3), { raw: { width, height, channels: 3 } });

const JPEG = await rgb(24, 16).jpeg().toBuffer();

/** Pictures that can be decoded, and their sizes. */
const GOOD: Record<string, [source: ImageSource, width: number, height: number]> = {
  "one pixel": [await rgb(1, 1).png().toBuffer(), 1, 1],
  "one raw pixel": [{ data: new Uint8Array(3), width: 1, height: 1, channels: 3 }, 1, 1],
  wide: [await rgb(30_000, 10).png().toBuffer(), 30_000, 10],
  tall: [noisy(1, 20_000), 1, 20_000],
  "a JPEG that says it is taller": [resizedJpeg(JPEG, 24, 4000), 24, 4000],
  CMYK: [CMYK_JPEG, 8, 8],
  "16 bits": [
    png({ width: 2, height: 1, depth: 16, type: 2, rows: noise(13).fill(0, 0, 1) }),
    2,
    1,
  ],
  grey: [{ data: noise(12), width: 4, height: 3, channels: 1 }, 4, 3],
  alpha: [{ data: noise(48), width: 4, height: 3, channels: 4 }, 4, 3],
  animated: [
    await sharpImage([await rgb(6, 4).png().toBuffer(), await rgb(6, 4).png().toBuffer()], {
      join: { animated: true },
    })
      .gif()
      .toBuffer(),
    6,
    4,
  ],
};

const empty = new Uint8Array();

/** What is no picture, or not the one that it says it is. */
const BAD: Record<string, [source: unknown, code?: ErrorCode]> = {
  "a PNG without its rows": [
    png({ width: 50, height: 50, depth: 8, type: 2, rows: noise(10).fill(0, 0, 1) }),
  ],
  "a JPEG of 65535 x 65535": [resizedJpeg(JPEG, 65_535, 65_535)],
  "a PNG without pixels": [png({ width: 0, height: 0, depth: 8, type: 2, rows: empty })],
  "raw pixels of no size": [{ data: empty, width: 0, height: 0, channels: 3 }],
  "too few raw pixels": [{ data: noise(10), width: 4, height: 3, channels: 3 }],
  "raw pixels of five channels": [{ data: noise(60), width: 4, height: 3, channels: 5 }],
  "raw pixels of no whole number": [{ data: noise(36), width: 4.5, height: 3, channels: 3 }],
  "no bytes": [empty],
  "other bytes": [noise(500)],
  "half a file": [JPEG.subarray(0, JPEG.length / 2)],
  "no file": ["/nowhere/cat.jpg", "NOT_FOUND"],
  "a folder": ["/"],
  "a number": [5],
  nothing: [undefined],
  null: [null],
  "a list in the list": [[PICTURE]],
  "a tensor": [ones([1, 3, 96, 96])],
};

for (const type of TYPES) {
  const model = models[type];

  test(`${type}: unusual pictures`, async (t) => {
    for (const [name, [source, width, height]] of Object.entries(GOOD)) {
      using image = await model.embedImage(source);
      t.deepEqual(image.size, { width, height }, name);
      const found = await model.detect(image, ["a cat", "dog"], { ...ALL, clip: true });
      t.is(found.length, PATCHES, name);
      t.true(
        found.every(({ box }) => box.every(Number.isFinite) && box[2] <= width),
        name,
      );
    }
    for (const protocol of ["hf", "pad", "scenic-eval"] as const) {
      const found = await model.detect(GOOD.wide![0], ["a cat"], { ...ALL, protocol });
      t.is(found.length, PATCHES, protocol);
    }
  });

  test(`${type}: what is no picture`, async (t) => {
    for (const [name, [source, code = "BAD_INPUT"]] of Object.entries(BAD)) {
      const image = source as ImageSource;
      await refused(t, name, code, () => model.embedImage([image]));
      await refused(t, name, code, () => model.detect([PICTURE, image], ["a cat"]));
      if (Array.isArray(source)) continue;
      await refused(t, name, code, () => model.embedImageQuery(image));
    }
  });

  test(`${type}: queries that are none`, async (t) => {
    const lists: Record<string, unknown> = {
      none: [],
      nothing: undefined,
      "a text": "a cat",
      "a number": 5,
      "a list of numbers": [1, 2],
      "a number among texts": ["a cat", 5],
      "null among texts": ["a cat", null],
      "a text object": [new String("a cat")],
      "a big number": [1n],
    };
    for (const [name, queries] of Object.entries(lists)) {
      const given = queries as string[];
      await refused(t, name, "BAD_INPUT", () => model.detect(PICTURE, given));
      await refused(t, name, "BAD_INPUT", () => model.detect([PICTURE, PICTURE], given));
      if (typeof queries === "string") continue;
      await refused(t, name, "BAD_INPUT", () => model.predict(PICTURE, given));
      await refused(t, name, "BAD_INPUT", () => model.embedText(given));
    }
    const ragged = [[["a"], ["b"], ["c"]], [["a"]], [["a"], "b"], [["a"], null], [["a"], [5]]];
    for (const queries of ragged) {
      const given = queries as string[][];
      const name = JSON.stringify(queries);
      await refused(t, name, "BAD_INPUT", () => model.detect([PICTURE, PICTURE], given));
    }
    await refused(t, "no pictures", "BAD_INPUT", () => model.detect([], ["a"]));
    await refused(t, "no pictures", "BAD_INPUT", () => model.embedImage([]));
  });

  test(`${type}: unusual texts`, async (t) => {
    const texts = ["", " ", "!", "\ud800", "🐱".repeat(50), "<|endoftext|>", "\0", "a\nb", "{}"];
    const found = await model.detect(PICTURE, texts, { ...ALL, multiLabel: true, topK: 1000 });
    t.is(found.length, PATCHES * texts.length);
    t.true(found.every(({ score, label, query }) => score >= 0 && label === texts[query]));
    using embedded = await model.embedText("a cat");
    t.deepEqual(embedded.labels, ["a cat"], "a single text is a list of one");
  });

  test(`${type}: options out of range`, async (t) => {
    const wrong: [options: object, code?: ErrorCode][] = [
      [{ threshold: Number.NaN }],
      [{ threshold: -0.1 }],
      [{ threshold: 1.1 }],
      [{ threshold: "0.5" }],
      [{ topK: 0 }],
      [{ topK: 1.5 }],
      [{ topK: 0, multiLabel: true }],
      [{ nmsIou: 2 }],
      [{ nmsIou: Number.NaN }],
      [{ batchSize: 0 }],
      [{ batchSize: 1.5 }],
      [{ size: 0 }],
      [{ size: -96 }],
      [{ size: 50.5 }],
      [{ size: 15 }, "SHAPE"],
      [{ size: 128, positions: "truncate" }, "SHAPE"],
      [{ size: 64, positions: "stretch" }],
      [{ protocol: "crop" }],
      [{ resize: "nearest" }],
      [{ padValue: Number.POSITIVE_INFINITY }],
      [{ templates: "best8" }],
      [{ templates: [] }],
      [{ templates: ["a photo"] }],
      [{ templates: [5] }],
      [{ templates: [1n] }],
      [{ overflow: "wrap" }],
      [{ priority: "urgent" }],
    ];
    for (const [options, code = "BAD_INPUT"] of wrong) {
      const given = { ...ALL, ...options } as DetectOptions;
      const name = inspect(options);
      await refused(t, name, code, () => model.detect(PICTURE, ["a cat"], given));
    }
    using example = await model.embedImageQuery(PICTURE);
    const given = { scoreMode: "logit" } as unknown as DetectOptions;
    await refused(t, "scoreMode", "BAD_INPUT", () =>
      model.detectByExample(PICTURE, example, given),
    );
  });

  test(`${type}: examples that are none`, async (t) => {
    const boxes = [
      [Number.NaN, 0, 10, 10],
      [0, 0, Number.POSITIVE_INFINITY, 10],
      [10, 10, 5, 20],
      [10, 10, 20, 5],
      [10, 10, 10, 20],
      [64, 0, 80, 20],
      [-20, 0, 0, 20],
      [0, 48, 10, 60],
      [0, 0, 10],
      [0, 0, 10, 10, 10],
      ["0", 0, 10, 10],
      "0,0,1,1",
      "abcd",
      {},
      5,
    ];
    for (const box of boxes) {
      const given = { box } as ExampleQueryOptions;
      await refused(t, String(box), "BAD_INPUT", () => model.embedImageQuery(PICTURE, given));
    }
    for (const index of [-1, PATCHES, 1.5, Number.NaN, "3"]) {
      const given = { index, strategy: "index" } as ExampleQueryOptions;
      await refused(t, String(index), "BAD_INPUT", () => model.embedImageQuery(PICTURE, given));
    }
    for (const strategy of ["index", "best", 5]) {
      const given = { strategy } as ExampleQueryOptions;
      await refused(t, String(strategy), "BAD_INPUT", () => model.embedImageQuery(PICTURE, given));
    }
    using beyond = await model.embedImageQuery(PICTURE, { box: [-10, -10, 900, 900] });
    t.true(beyond.patch >= 0, "a box may reach beyond the picture");
    for (const examples of [[], null, "cat", ["cat"], [{}]]) {
      const given = examples as unknown as Queries[];
      await refused(t, String(examples), "BAD_INPUT", () => model.detectByExample(PICTURE, given));
    }
  });

  test(`${type}: proposals out of range`, async (t) => {
    if (type === "owlvit") {
      await refused(t, "no objectness", "UNSUPPORTED", () => model.propose(PICTURE));
      return;
    }
    for (const options of [
      { topK: 0 },
      { topK: 2.5 },
      { minObjectness: Number.NaN },
      { minObjectness: 2 },
      { nmsIou: -1 },
    ]) {
      const name = JSON.stringify(options);
      await refused(t, name, "BAD_INPUT", () => model.propose(PICTURE, options));
    }
  });

  test(`${type}: what was disposed of, and what is of another model`, async (t) => {
    const image = await model.embedImage(PICTURE);
    const queries = await model.embedText(["a cat"]);
    using narrow = new Queries(ones([1, 1, 8]), ["narrow"], "text");
    await refused(t, "another width", "SHAPE", () => model.detect(image, narrow));
    image.dispose();
    await refused(t, "a picture", "DISPOSED", () => model.detect(image, ["a cat"]));
    await refused(t, "an example", "DISPOSED", () => model.embedImageQuery(image));
    queries.dispose();
    await refused(t, "queries", "DISPOSED", () => model.detect(PICTURE, queries));
    await refused(t, "joined", "DISPOSED", () => model.detectByExample(PICTURE, [queries]));
  });

  test(`${type}: a model without a tokenizer takes examples alone`, async (t) => {
    await using own = await untrained(type, { tokenizer: undefined });
    await refused(t, "texts", "UNSUPPORTED", () => own.detect(PICTURE, ["a cat"]));
    const folder = temporary(t);
    await own.save(folder);
    await using saved = await OwlViT.load(folder);
    await refused(t, "a folder without", "NOT_FOUND", () => saved.detect(PICTURE, ["a cat"]));
    using example = await saved.embedImageQuery(PICTURE);
    t.true((await saved.detectByExample(PICTURE, example, ALL)).length > 0);
    cpSync(tokenizerFolder(), folder, { recursive: true });
    t.is((await saved.detect(PICTURE, ["a cat"], ALL)).length, PATCHES, "it may come later");
    await using lent = await OwlViT.load(folder, { tokenizer: tokenizerFolder() });
    t.is((await lent.detect(PICTURE, ["a cat"], ALL)).length, PATCHES);
  });

  test(`${type}: a tokenizer that is too large for the model`, async (t) => {
    const config = smallConfig(type);
    const text_config = { ...config.text_config, vocab_size: 1000 };
    await using own = await OwlViT.random(
      { ...config, text_config },
      { tokenizer: tokenizerFolder() },
    );
    const error = await refused(t, "texts", "BAD_CHECKPOINT", () => own.embedText("a cat"));
    t.regex(error.message, /at most vocab_size = 1000 tokens in .* but received one of 49408/);
  });

  test(`${type}: folders that are damaged`, async (t) => {
    const folder = temporary(t);
    const at = (name: string) => join(folder, name);
    const load = (options?: OwlViTLoadOptions) => OwlViT.load(folder, options);
    const reset = async () => {
      rmSync(folder, { recursive: true });
      cpSync(await folderWith(type), folder, { recursive: true });
    };
    await reset();
    for (const text of [
      "{",
      "",
      "[]",
      "null",
      "5",
      '"text"',
      '{"size": -1}',
      '{"size": {"height": 96}}',
      '{"image_mean": [1, 2]}',
      '{"image_std": [1, 0, 1]}',
      '{"protocol": "crop"}',
      '{"resample": 17}',
      '{"do_center_crop": true, "crop_size": 32}',
    ]) {
      writeFileSync(at("preprocessor_config.json"), text);
      await refused(t, `preprocessor_config.json ${text}`, "BAD_CONFIG", load);
    }
    rmSync(at("preprocessor_config.json"));
    await using usual = await load();
    t.deepEqual(usual.processor, models[type].processor, "without one, the usual");
    await refused(t, "processor", "BAD_CONFIG", () => load({ processor: { resample: 17 } }));

    await reset();
    for (const [name, text] of [
      ["vocab.json", "{"],
      ["vocab.json", "[]"],
      ["tokenizer_config.json", "5"],
      ["tokenizer.json", "{}"],
    ] as const) {
      await reset();
      writeFileSync(at(name), text);
      await using model = await load();
      await refused(t, name, "BAD_CHECKPOINT", () => model.detect(PICTURE, ["a cat"]));
    }

    await reset();
    const weights = await readTensors(at("model.safetensors"));
    const { "layer_norm.weight": norm, ...others } = weights;
    const write = (tensors: object) =>
      writeTensors(at("model.safetensors"), { ...(tensors as typeof weights) });
    await write(others);
    const missing = await refused(t, "a missing tensor", "BAD_CHECKPOINT", load);
    t.regex(missing.message, /layer_norm\.weight/);
    await write({ ...others, "layer_norm.wieght": norm });
    await refused(t, "a misspelt tensor", "BAD_CHECKPOINT", load);
    await write({ ...weights, another: norm });
    await refused(t, "a tensor too many", "BAD_CHECKPOINT", load);
    await write({ ...weights, "layer_norm.weight": ones([5]) });
    await refused(t, "a tensor of another shape", "BAD_CHECKPOINT", load);
    await write({ ...weights, box_bias: norm, [`${type}.vision_model.position_ids`]: norm });
    await using old = await load();
    t.is(
      (await old.detect(PICTURE, ["a cat"], ALL)).length,
      PATCHES,
      "old buffers are passed over",
    );

    const other = type === "owlvit" ? "owlv2" : "owlvit";
    await reset();
    const config = JSON.parse(readFileSync(at("config.json"), "utf8"));
    for (const [name, changed, code] of [
      ["another type", { model_type: other }, "BAD_CHECKPOINT"],
      ["an unknown type", { model_type: "owlv3" }, "UNSUPPORTED"],
      ["no type", { model_type: undefined }, "BAD_CONFIG"],
      ["another width", { projection_dim: 8 }, "BAD_CONFIG"],
      ["half a head", { vision_config: { num_attention_heads: 5 } }, "BAD_CONFIG"],
    ] as const) {
      writeFileSync(at("config.json"), JSON.stringify({ ...config, ...changed }));
      await refused(t, name, code, load);
    }
    for (const text of ["{", "[]", "5"]) {
      writeFileSync(at("config.json"), text);
      await refused(t, text, "BAD_CONFIG", load);
    }
    writeFileSync(at("config.json"), JSON.stringify(config));
    const whole = readFileSync(at("model.safetensors"));
    for (const length of [0, 4, 100, whole.length - 8]) {
      writeFileSync(at("model.safetensors"), whole.subarray(0, length));
      await refused(t, `${length} bytes of weights`, "BAD_CHECKPOINT", load);
    }
    rmSync(at("model.safetensors"));
    await refused(t, "no weights", "BAD_CHECKPOINT", load);
    rmSync(folder, { recursive: true });
    await refused(t, "no folder", "NOT_FOUND", load);
  });
}

test("a folder of another system", async (t) => {
  const folder = fixture("vit22b", "base");
  await refused(t, "vit22b", "BAD_INPUT", () => OwlViT.load(folder));
  await refused(t, "no path", "BAD_INPUT", () => OwlViT.load(5 as unknown as string));
  await refused(t, "no name", "NOT_FOUND", () => OwlViT.load("nowhere"));
  await refused(t, "not in the cache", "NOT_FOUND", () => OwlViT.load("nobody/nothing"));
  const config = { ...smallConfig("owlv2"), model_type: "vit22b" } as never;
  await refused(t, "a config", "BAD_CONFIG", () => OwlViT.random(config));
  await refused(t, "a size", "BAD_CONFIG", () => OwlViT.random("owlv2-huge" as never));
});
