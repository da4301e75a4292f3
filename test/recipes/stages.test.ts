/** Training and distillation of stages of a video cascade, as recipes say it. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openCheckpoint, readConfig } from "../../lib/core/checkpoint.js";
import { readTensors } from "../../lib/core/files.js";
import { captionedData, captionsOf } from "../../lib/data/index.js";
import { parseCaption, ShapesWorld } from "../../lib/data/shapesworld/index.js";
import { captionWords } from "../../lib/data/shapesworld/lexicon.js";
import { CaptionFeatures, training, VideoStage } from "../../lib/models/imagen_video/index.js";
import { T5Encoder } from "../../lib/models/t5/index.js";
import {
  distill,
  parseCascadeRecipe,
  parseRecipe,
  type Recipe,
  type RunOptions,
  readRecipe,
  runCascadeRecipe,
  runStageRecipe,
} from "../../lib/recipes/index.js";
import { readMetrics } from "../../lib/recipes/metrics.js";
import { writeWordEncoder } from "../../lib/recipes/video/word_encoder.js";
import { temporary } from "../models/fixtures.js";
import { TINY_STAGE, tinyStage } from "./stages.js";

const run = (recipe: Recipe, options: RunOptions) => runStageRecipe(recipe, training, options);

async function weightsOf(folder: string) {
  using tensors = await readTensors(join(folder, "model.safetensors"));
  const entries = Object.entries(tensors).map(async ([name, tensor]) => [
    name,
    Array.from(await tensor.data(), Number),
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

/** Metrics without what a clock tells. */
const timeless = (folder: string) =>
  readMetrics(join(folder, "metrics.jsonl")).map((one) => {
    const { samplesPerSecond: _, eta: __, ...rest } = one as unknown as Record<string, unknown>;
    return rest;
  });

test("a run of a stage leaves what VideoStage opens, and goes on to the same bits", async (t) => {
  const folder = temporary(t);
  const [whole, parts] = [join(folder, "whole"), join(folder, "parts")];
  const finished = await run(tinyStage(), { out: whole });
  t.is(finished.steps, 6);
  t.is(finished.evaluation?.samples, 6);
  await using stage = await VideoStage.load(finished.model);
  t.is(stage.config.dim, 8);
  t.true(existsSync(join(whole, "text", "tokenizer.json")));

  await run(tinyStage(), { out: parts, steps: 3 });
  await run(tinyStage(), { out: parts, resume: true });
  t.deepEqual(timeless(parts).at(-1), timeless(whole).at(-1));
  t.deepEqual(await weightsOf(join(parts, "model")), await weightsOf(finished.model));
});

for (const [name, low_res_channels, low_res, crop] of [
  ["in time", 4, { kind: "time", fill: "blank" }, undefined],
  ["in space, on random parts", 3, { kind: "space", factor: 2 }, [4, 4]],
] as const) {
  test(`a stage that enlarges ${name}`, async (t) => {
    const recipe = tinyStage({
      model: { ...TINY_STAGE.model, low_res_channels },
      trainer: { ...TINY_STAGE.trainer, diffusion: { low_res, crop } },
    });
    const { loss } = await run(recipe, { out: join(temporary(t), "run"), steps: 2 });
    t.true(Number.isFinite(loss));
  });
}

test("a cascade is its stages, trained one after the other, with one encoder", async (t) => {
  const folder = temporary(t);
  const write = (name: string, recipe: object) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(recipe));
    return file;
  };
  const time = {
    ...TINY_STAGE,
    model: { ...TINY_STAGE.model, low_res_channels: 3 },
    trainer: { ...TINY_STAGE.trainer, diffusion: { low_res: { kind: "time" } } },
    data: { ...TINY_STAGE.data, clips: { frames: 8, fps: 8 } },
  };
  const sampling = { sampler: { steps: 2 }, guidance: 1 };
  const cascade = parseCascadeRecipe({
    system: "imagen-video",
    stages: [
      { name: "base", recipe: write("base", TINY_STAGE), change: { steps: 3 }, sampling },
      { name: "tsr", recipe: write("tsr", time), change: { steps: 3 } },
    ],
  });
  const told: string[] = [];
  const { model, stages } = await runCascadeRecipe(cascade, training, {
    out: join(folder, "run"),
    onMetrics: (stage) => told.push(stage),
  });
  t.deepEqual([...new Set(told)], ["base", "tsr"]);
  t.is(stages.tsr?.steps, 3);
  t.deepEqual(readConfig(model, "cascade.json"), {
    format: "torchsight.cascade",
    version: 1,
    text: { folder: "text", max_length: 12 },
    stages: [
      { name: "base", kind: "base", frames: 4, height: 8, width: 8, fps: 4, ...sampling },
      { name: "tsr", kind: "time", frames: 8, height: 8, width: 8, fps: 8 },
    ],
  });
  await using t5 = await T5Encoder.load(join(model, "text"));
  t.is(t5.config.d_model, 16);
  await using stage = await VideoStage.load(join(model, "tsr"));
  t.is(stage.config.low_res_channels, 3);
  const { dtype } = openCheckpoint(join(model, "tsr", "model.safetensors")).tensors[0]!;
  t.is(dtype, "bfloat16");
  for (const bad of [
    { system: "vit22b", stages: [] },
    { system: "imagen-video", stages: [] },
  ]) {
    t.throws(() => parseCascadeRecipe(bad), { code: "BAD_CONFIG" });
  }
});

test("students are runs of their own, one after the other", async (t) => {
  const folder = temporary(t);
  const { model } = await run(tinyStage({ evaluationSamples: 0 }), { out: join(folder, "stage") });
  const out = join(folder, "students");
  const { model: _, ...rest } = TINY_STAGE;
  const recipe = parseRecipe({ ...rest, init: model, evaluationSamples: 4, saveEvery: 2 });
  const told: string[] = [];
  const options = { model, out, from: 4, to: 1, steps: 3 };
  const distilled = await distill(recipe, training, {
    ...options,
    onMetrics: ({ name }) => told.push(name),
  });
  t.deepEqual(
    distilled.students.map(({ phase }) => phase),
    [
      { name: "guidance", learns: "guidance", samples: 4 },
      { name: "steps-2", learns: "progressive", samples: 2 },
      { name: "steps-1", learns: "progressive", samples: 1 },
    ],
  );
  t.deepEqual([...new Set(told)], ["guidance", "steps-2", "steps-1"]);
  await using student = await VideoStage.load(distilled.model);
  t.true(student.config.guidance_input);
  t.deepEqual(await weightsOf(distilled.model), await weightsOf(join(out, "steps-1", "model")));
  const { trainer } = JSON.parse(readFileSync(join(out, "steps-2", "recipe.json"), "utf8"));
  t.like(trainer, { loss: "progressive", diffusion: { steps: 2, text_dropout: 0 } });

  const again = await distill(recipe, training, {
    ...options,
    resume: true,
    onMetrics: () => t.fail("what is done is not done again"),
  });
  t.deepEqual(again, distilled);
  await t.throwsAsync(distill(recipe, training, { ...options, to: 3 }), { code: "BAD_INPUT" });
});

async function encoder(t: ExecutionContext): Promise<T5Encoder> {
  const folder = join(temporary(t), "text");
  await writeWordEncoder(folder, captionWords(), { width: 16, seed: 0 });
  return await T5Encoder.load(folder);
}

test("a small encoder knows every word of Shapes World, and tells words apart", async (t) => {
  await using t5 = await encoder(t);
  const tokenizer = await t5.tokenizer();
  const unknown = 2;
  for (const clip of new ShapesWorld({ seed: 3, objects: [1, 4], captions: 8 }).clips({
    count: 200,
  })) {
    for (const { text } of clip.captions) t.false(tokenizer.encode(text).includes(unknown), text);
  }
  t.true(tokenizer.encode("a blimp").includes(unknown));
  t.deepEqual(tokenizer.encode("A red SQUARE"), tokenizer.encode("a red square"));
  t.is(tokenizer.encode("a red square").length, 4);
});

test("captions are read once, in memory and on disk, whatever they are batched with", async (t) => {
  await using t5 = await encoder(t);
  const cache = temporary(t);
  let read = 0;
  const counted = {
    config: t5.config,
    encodeText: ((texts: readonly string[], options: object) => {
      read += texts.length;
      return t5.encodeText(texts, options);
    }) as T5Encoder["encodeText"],
  };
  const captions = ["a red square moves left", "a circle", "a red square moves left"];
  const features = new CaptionFeatures(counted, { cache });
  const { text, text_mask } = await features.read(captions);
  using expected = await t5.encodeText(captions);
  t.deepEqual(await text_mask.toArray(), await expected.mask.toArray());
  const [ours, theirs] = [await text.data(), await expected.features.data()];
  for (const [at, value] of ours.entries()) {
    t.true(Math.abs(Number(value) - Number(theirs[at])) < 1e-5);
  }
  t.is(read, 3); // two captions, and one by which the encoder is known again
  await features.read(captions.slice(1, 2));
  t.is(read, 3);
  const later = await new CaptionFeatures(counted, { cache }).read(captions);
  t.deepEqual(await later.text.toArray(), await text.toArray());
  t.is(read, 4);
  t.is(readdirSync(cache).length, 1);
  t.throws(() => new CaptionFeatures(t5, { maxLength: 0 }), { code: "BAD_INPUT" });
});

test("clips are as recipes say: none that is held out, pictures told of themselves", async (t) => {
  const { data, seed } = readRecipe("imagen_video/base");
  const { clips, size, shapesworld } = data;
  await using loader = await captionedData("shapesworld", {
    ...{ ...clips!, batch: 50, seed, shapesworld, pictures: 0.3 },
    size: [size![0], size![1]],
  });
  const heldOut = shapesworld!.heldOut as Record<string, string>[];
  let [count, pictures] = [0, 0];
  for await (const { video, caption, is_image } of loader) {
    t.deepEqual(video!.shape, [50, 8, 8, 8, 3]);
    const flags = await is_image!.data();
    for (const [at, text] of captionsOf((await caption!.data()) as Uint8Array, 50).entries()) {
      const told = /^an? (?<color>\w+) (?<shape>\w+)(?: (?<phrase>.+))?$/.exec(text)!.groups!;
      t.is(told.phrase === undefined, Number(flags[at]) === 1, text);
      pictures += Number(flags[at]);
      if (told.phrase === undefined) continue;
      t.truthy(parseCaption(text), text);
      const motion = told.phrase.replace(/^moves /, "").replace(/s$/, "");
      const held = heldOut.some(
        (one) => one.color === told.color && one.shape === told.shape && one.motion === motion,
      );
      t.false(held, text);
    }
    count += 50;
    if (count === 400) break;
  }
  t.true(pictures > 80 && pictures < 160, `${pictures}`);
});

test("shipped recipes are whole, and of the published size where they say so", (t) => {
  for (const name of ["base", "tsr", "ssr"]) {
    const { model, data, text } = readRecipe(`imagen_video/${name}`);
    t.notThrows(() => training.parseConfig(model));
    t.truthy(data.clips);
    t.truthy(text);
  }
  const { model } = readRecipe("imagen_video/paper");
  const shapes = training.parameterShapes(training.parseConfig(model));
  const count = shapes.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  t.is(count, 5_772_650_755);
});

test("recipes that mean nothing are refused by the name of the field", async (t) => {
  const { clips, size, ...data } = TINY_STAGE.data!;
  const vit = { system: "vit22b", model: {}, batch: 1, steps: 1 };
  const cases: [() => unknown, RegExp][] = [
    [() => tinyStage({ data: { ...data, size } }), /data\.clips/],
    [() => tinyStage({ data: { ...data, size, clips: { ...clips!, fps: 0 } } }), /clips\.fps/],
    [() => tinyStage({ trainer: { diffusion: { weight: "snr" as "v" } } }), /diffusion\.weight/],
    [() => tinyStage({ text: { maxLength: 1 } }), /text\.maxLength/],
    [() => parseRecipe({ ...vit, data: { clips } }), /data\.clips/],
    [() => parseRecipe({ ...vit, trainer: { loss: "denoising" } }), /trainer\.loss/],
    [() => parseRecipe({ ...vit, trainer: { diffusion: {} } }), /trainer\.diffusion/],
    [() => parseRecipe({ ...vit, text: {} }), /nothing, but for imagen-video, for text/],
  ];
  for (const [parse, message] of cases) t.throws(parse, { code: "BAD_CONFIG", message });
  const out = join(temporary(t), "run");
  const bad = tinyStage({ data: { ...data, clips } });
  await t.throwsAsync(run(bad, { out }), { code: "BAD_CONFIG", message: /data\.size/ });
  const wide = tinyStage({ model: { ...TINY_STAGE.model, text_width: 20 } });
  const text = join(temporary(t), "text");
  await writeWordEncoder(text, ["a"], { width: 16, seed: 0 });
  const other = { ...wide, text: { encoder: text } };
  await t.throwsAsync(run(other, { out }), { code: "BAD_CONFIG", message: /text_width/ });
  t.is((readConfig(text) as { d_model: number }).d_model, 16);
});
