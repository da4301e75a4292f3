/** SigLIP as users call it: pictures and texts to vectors, processing as transformers does it. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { ops } from "../../lib/core/ops.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { decodeImage } from "../../lib/media/image.js";
import {
  toPixelValues as paligemmaPixels,
  parseProcessor as paligemmaProcessor,
} from "../../lib/models/paligemma/processing.js";
import {
  parseConfig,
  SigLIP,
  type SiglipBothConfig,
  variant,
} from "../../lib/models/siglip/index.js";
import { gridOf, parseProcessor, toPixelValues } from "../../lib/models/siglip/processing.js";
import { loadTokenizer, toInputIds } from "../../lib/models/siglip/texts.js";
import { agrees, fixture, numbers, temporary, tensorsOf } from "./fixtures.js";
import { picture } from "./paligemma_models.js";
import { TOWER, tokenizerFolder } from "./siglip_models.js";

const TEXT = { ...TOWER, vocab_size: 800, max_position_embeddings: 12 };
const FIXED = {
  model_type: "siglip",
  vision_config: { ...TOWER, image_size: 24, patch_size: 8 },
  text_config: TEXT,
} as const;
const FLEXIBLE = {
  model_type: "siglip2",
  vision_config: { ...TOWER, num_patches: 16, patch_size: 4 },
  text_config: TEXT,
} as const;
const NAMES = ["photo", "row", "square", "tall", "wide"];

/** Each level at most two away; gives how many are away at all, and how many there are. */
async function close(
  t: ExecutionContext,
  name: string,
  got: Tensor,
  want: Tensor,
): Promise<readonly [moved: number, all: number]> {
  t.is(got.numel, want.numel, name);
  const [ours, theirs] = [await numbers(got), await numbers(want)];
  const off = ours.map((value, place) => Math.abs(value - theirs[place]!) * 127.5);
  t.true(Math.max(...off) <= 2.01, `${name}: off by ${Math.max(...off)} levels`);
  return [off.filter((levels) => levels > 0.01).length, off.length];
}

test("pictures become what transformers' processors make of them", async (t) => {
  const expected = await tensorsOf(fixture("siglip_processing", "expected.safetensors"));
  const { vision_config: fixed } = parseConfig(FIXED) as SiglipBothConfig;
  const { vision_config: flexible } = parseConfig(FLEXIBLE) as SiglipBothConfig;
  const size = { height: 24, width: 20 };
  const wide = parseProcessor({ size }, fixed);
  const patches = parseProcessor({ max_num_patches: 30 }, flexible);
  const counts: (readonly [moved: number, all: number])[] = [];
  for (const name of NAMES) {
    const image = await decodeImage(fixture("owlvit_processing", `${name}.png`));
    const made = await composeJob({}, async (steps) => {
      const one = await toPixelValues([image], wide, steps);
      const many = await toPixelValues([image], patches, steps);
      const linear = await paligemmaPixels(
        [image],
        paligemmaProcessor(undefined, 24),
        "bilinear",
        steps,
      );
      return { one, many, linear };
    });
    const pairs = [
      [made.one.pixel_values, expected[`fixed.${name}`]!],
      [made.many.pixel_values, expected[`flexible.${name}`]!],
      [made.linear, expected[`bilinear.${name}`]!],
    ] as const;
    for (const [got, want] of pairs) counts.push(await close(t, name, got, want));
    const { pixel_attention_mask: mask, spatial_shapes: shape } = made.many;
    t.deepEqual(await numbers(mask!), await numbers(expected[`mask.${name}`]!), name);
    t.deepEqual(await numbers(shape!), await numbers(expected[`shape.${name}`]!), name);
  }
  const [moved, all] = [0, 1].map((part) => counts.reduce((sum, one) => sum + one[part]!, 0));
  t.true(moved! / all! <= 0.01, `${moved} of ${all} levels differ`);
});

test("grids are those of transformers", (t) => {
  const grids = JSON.parse(readFileSync(fixture("siglip_processing", "grids.json"), "utf8"));
  for (const [height, width, patch, most, rows, columns] of grids as number[][]) {
    t.deepEqual(gridOf(height!, width!, patch!, most!), [rows!, columns!], `${height} ${width}`);
  }
});

for (const [name, config] of [
  ["of one size", FIXED],
  ["of any shape", FLEXIBLE],
] as const) {
  test(`pictures ${name}: batches equal singles, and vectors have length one`, async (t) => {
    await using model = await SigLIP.random(config, { seed: 1, tokenizer: tokenizerFolder(t) });
    const images = [picture(40, 30, 20), picture(9, 70, 200), picture(1, 1, 255)];
    using all = await model.encodeImage(images, { batchSize: 2 });
    t.deepEqual(all.embeddings.shape, [3, 16]);
    for (const [place, image] of images.entries()) {
      using one = await model.encodeImage(image);
      await agrees(t, `${place}`, one.embeddings, ops.narrow(all.embeddings, 0, place, 1));
    }
    const values = await numbers(ops.narrow(all.embeddings, 0, 0, 1));
    t.true(Math.abs(values.reduce((sum, value) => sum + value ** 2, 0) - 1) < 1e-5);
    const texts = ["a cat", "A CAT", "a dog"];
    const { scores, logits } = await model.similarity(images, texts, { batchSize: 2 });
    t.is(scores.length, 3);
    t.deepEqual(
      scores,
      logits.map((row) => row.map((logit) => 1 / (1 + Math.exp(-logit)))),
    );
    for (const row of scores) t.is(row[0], row[1], "texts are brought to lower case");
    using words = await model.encodeText(texts);
    const again = (await model.similarity(all, words)).scores.flat();
    for (const [place, score] of scores.flat().entries()) {
      t.true(Math.abs(again[place]! - score) < 1e-5);
    }
  });
}

test("what is saved tells the same", async (t) => {
  const folder = temporary(t);
  await using model = await SigLIP.random(FIXED, { seed: 1, tokenizer: tokenizerFolder(t) });
  await model.save(folder);
  await using again = await SigLIP.load(folder);
  t.deepEqual(again.processor, model.processor);
  const [images, texts] = [[picture(30, 20)], ["a cat"]];
  t.deepEqual(await again.similarity(images, texts), await model.similarity(images, texts));
});

test("pictures are prepared as the folder says, in the older and in the newer form", async (t) => {
  const folder = temporary(t);
  await using model = await SigLIP.random(FIXED);
  await model.save(folder);
  const older = { image_mean: 0.25, image_std: 0.25 };
  const newer = { ...older, image_mean: [0.1, 0.2, 0.3] };
  const write = (name: string, fields: object) =>
    writeFileSync(join(folder, name), JSON.stringify(fields));
  const mean = async () => {
    await using loaded = await SigLIP.load(folder);
    return loaded.processor!.image_mean;
  };
  write("preprocessor_config.json", older);
  write("processor_config.json", { processor_class: "SiglipProcessor" });
  t.deepEqual(await mean(), [0.25, 0.25, 0.25]);
  write("processor_config.json", { processor_class: "SiglipProcessor", image_processor: newer });
  t.deepEqual(await mean(), [0.1, 0.2, 0.3]);
  rmSync(join(folder, "preprocessor_config.json"));
  t.deepEqual(await mean(), [0.1, 0.2, 0.3]);
});

test("texts are cut, padded and cleaned as the tokenizer's settings say", async (t) => {
  const { text_config: config } = parseConfig(FIXED) as SiglipBothConfig;
  const idsOf = async (text: string, context: number, settings: object = {}, end = false) => {
    const folder = tokenizerFolder(t, settings);
    if (end) {
      const file = join(folder, "tokenizer.json");
      const definition = JSON.parse(readFileSync(file, "utf8"));
      const single = [
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "<eos>", type_id: 0 } },
      ];
      const special_tokens = { "<eos>": { id: "<eos>", ids: [1], tokens: ["<eos>"] } };
      definition.post_processor = { type: "TemplateProcessing", single, pair: [], special_tokens };
      writeFileSync(file, JSON.stringify(definition));
    }
    const tokenizer = await loadTokenizer(folder, config);
    return [...(await numbers(toInputIds(tokenizer, [text], context, {})))];
  };
  const words = await idsOf("a cat a dog", 5);
  t.is(words[0], 2);
  t.deepEqual(await idsOf("a cat a dog", 3), words.slice(0, 3), "nothing stands in for the end");
  t.deepEqual(await idsOf("a cat a dog", 3, {}, true), [...words.slice(1, 3), 1], "the end stays");
  t.deepEqual(await idsOf("a cat", 5, {}, true), [...words.slice(1, 3), 1, 0, 0]);
  t.deepEqual((await idsOf("a", 4, { pad_token: "<eos>" })).slice(2), [1, 1]);
  const kept = await idsOf(" a,  cat! ", 10);
  t.notDeepEqual(kept, await idsOf("a cat", 10));
  const first = { tokenizer_class: "SiglipTokenizer" };
  t.deepEqual(await idsOf(" a,  cat! ", 10, first), await idsOf("a cat", 10));
});

test("more patches see finer detail, where a model takes pictures of any shape", async (t) => {
  await using model = await SigLIP.random(FLEXIBLE, { seed: 1 });
  const image = await decodeImage(fixture("owlvit_processing", "photo.png"));
  const few = await model.encodeImage(image, { maxPatches: 4 });
  const usual = await model.encodeImage(image);
  const asUsual = await model.encodeImage(image, { maxPatches: 256 });
  await agrees(t, "the default", asUsual.embeddings, usual.embeddings);
  const distance = ops.linalg_vector_norm(ops.sub(few.embeddings, usual.embeddings));
  t.true((await numbers(distance))[0]! > 1e-3);
});

test("one tower by itself does what it can", async (t) => {
  const vision = { model_type: "siglip_vision_model", ...TOWER, image_size: 24, patch_size: 8 };
  const text = { model_type: "siglip_text_model", ...TEXT };
  await using eye = await SigLIP.random(vision as never);
  await using ear = await SigLIP.random(text as never, { tokenizer: tokenizerFolder(t) });
  t.deepEqual((await eye.encodeImage(picture(8, 8))).embeddings.shape, [1, 16]);
  t.deepEqual((await ear.encodeText(["a", "b"])).embeddings.shape, [2, 16]);
  const lacks = (work: () => PromiseLike<unknown>, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code: "UNSUPPORTED", message });
  await lacks(() => eye.encodeText("a"), /a text tower/);
  await lacks(() => ear.encodeImage(picture(8, 8)), /an image tower/);
  await lacks(() => eye.similarity([picture(8, 8)], ["a"]), /both towers/);
});

test("bad input is refused with its code", async (t) => {
  await using model = await SigLIP.random(FIXED, { tokenizer: tokenizerFolder(t) });
  const refused = (work: () => PromiseLike<unknown>, code: string, message: RegExp) =>
    t.throwsAsync(async () => await work(), { code, message });
  await refused(() => model.encodeImage([]), "BAD_INPUT", /at least one/);
  await refused(() => model.encodeImage("missing.png"), "NOT_FOUND", /missing/);
  await refused(() => model.encodeImage(picture(8, 8), { batchSize: 0 }), "BAD_INPUT", /batchSize/);
  await refused(() => model.encodeImage(picture(8, 8), { maxPatches: 9 }), "BAD_INPUT", /one size/);
  await refused(() => model.encodeText([]), "BAD_INPUT", /at least one/);
  await refused(() => model.encodeText(["a"], { batchSize: 1.5 }), "BAD_INPUT", /batchSize/);
  await refused(() => model.encodeText(["a", 7 as never]), "BAD_INPUT", /texts\[1\]/);
  await refused(() => SigLIP.load(fixture("gemma", "mqa")), "BAD_INPUT", /SigLIP type/);
  const cancelled = model.encodeImage(picture(400, 400));
  cancelled.cancel();
  await refused(() => cancelled, "CANCELLED", /cancelled/);
  const folder = temporary(t);
  await model.save(folder);
  rmSync(join(folder, "tokenizer.json"));
  writeFileSync(join(folder, "spiece.model"), "");
  await using deaf = await SigLIP.load(folder);
  await refused(() => deaf.encodeText("a"), "UNSUPPORTED", /spiece\.model alone/);
  const small = { ...FIXED, text_config: { ...TEXT, vocab_size: 700 } };
  for (const [config, tokenizer, message] of [
    [FIXED, fixture("paligemma_tokens"), /a pad_token in the tokenizer_config\.json .* none/],
    [small, tokenizerFolder(t), /at most vocab_size = 700 tokens in .* received one of 742/],
  ] as const) {
    await using other = await SigLIP.random(config, { tokenizer });
    await refused(() => other.encodeText("a"), "BAD_CHECKPOINT", message);
  }
  await using flexible = await SigLIP.random(FLEXIBLE);
  const none = { maxPatches: 0 };
  await refused(() => flexible.encodeImage(picture(8, 8), none), "BAD_INPUT", /maxPatches/);
  t.throws(() => variant("siglip-tiny" as never), { code: "BAD_CONFIG" });
});
