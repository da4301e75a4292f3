/** Recipes: those that ship with the package, what is refused of others, and what a run takes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createModule } from "../../lib/core/load.js";
import { systems } from "../../lib/models/index.js";
import { dryRun, parameterShapes, params, parseConfig } from "../../lib/models/vit22b/index.js";
import { training } from "../../lib/models/vit22b/training.js";
import {
  estimate,
  parseRecipe,
  type RecipeInput,
  readRecipe,
  shippedRecipes,
} from "../../lib/recipes/index.js";
import { Trainer, type TrainerOptions } from "../../lib/train/index.js";
import { temporary } from "../models/fixtures.js";
import { nativeShapes } from "../models/layouts.js";
import { CONFIG } from "../train/runs.js";

const RECIPE: RecipeInput = { system: "vit22b", model: CONFIG, batch: 4, steps: 10 };

test("what is shipped can be read, and its system has models of that config", (t) => {
  const names = shippedRecipes();
  const stages = ["base", "paper", "ssr", "tsr"].map((name) => `imagen_video/${name}`);
  const own = ["one-shape", "paper", "shapes"].map((name) => `vit22b/${name}`);
  t.deepEqual(names, [...stages, ...own]);
  for (const name of names.filter((one) => one.startsWith("vit22b/"))) {
    const recipe = readRecipe(name);
    t.true(name.startsWith(`${recipe.system}/`) && recipe.system in systems);
    const { parameters, trained } = estimate(recipe, training);
    t.is(parameters, params(parseConfig(recipe.model)).total);
    t.is(parameters, dryRun(parseConfig(recipe.model), { dtype: "float32" }).parameters);
    t.is(trained, parameters);
  }
});

test("the paper's run: its parameters, steps and images", (t) => {
  const recipe = readRecipe("vit22b/paper");
  const { parameters, samples, tokens, bytes, flops, groups } = estimate(recipe, training);
  // 21,743 M of kernels as published, and the pooling head, classes and embeddings.
  t.is(params(parseConfig(recipe.model)).kernels, 21_743_271_936);
  t.is(Math.round(parameters / 1e6), 22_385);
  t.is(Math.round(samples / 1e7), 1160);
  t.is(tokens, 256 * samples);
  t.is(bytes.weights, 4 * parameters);
  // Two bytes of momentum for each weight; of factored second moments little is left.
  t.true(bytes.optimizer > 2 * parameters && bytes.optimizer < 2.01 * parameters);
  // 33.6 TFLOP an image and what pools it.
  t.true(flops / samples > 33.6e12 && flops / samples < 35e12);
  const decays = groups.map(({ decay }) => decay);
  t.deepEqual(decays, [0, 3, 0.03, undefined]);
  t.is(groups[1]!.parameters, 29_593 * 6144);
  t.like(recipe.trainer.schedule, { steps: 177_000, warmup: 10_000, cooldown: 30_000 });
});

test("shapes on paper are those of checkpoints", (t) => {
  for (const override of [
    {},
    { norm: "layernorm", qkv_bias: true, num_labels: 0 },
    { block: "sequential", qk_norm: "none", mlp_bias: false, attention_out_bias: false },
    { qk_norm_scale: "per_head", class_token: true, pooling: "token" },
    { image_size: [8, 12], num_channels: 1, pooling: "mean" },
  ]) {
    const config = parseConfig({ ...CONFIG, ...override });
    const shapes = Object.fromEntries(parameterShapes(config));
    t.deepEqual(shapes as object, nativeShapes(config));
  }
});

test("bytes on paper are those that a trainer holds", async (t) => {
  await using model = await createModule(CONFIG);
  const options: TrainerOptions[] = [
    {},
    { optimizer: { kind: "sgd" }, groups: [{ pattern: "blocks.0.*", frozen: true }] },
    { optimizer: { kind: "sgd", momentum: 0 } },
    { optimizer: { kind: "adafactor", min_dim_to_factor: 16 }, ema: 0.9 },
    { optimizer: { kind: "adafactor", momentum: 0 } },
  ];
  for (const trainer of options) {
    const { bytes } = estimate(parseRecipe({ ...RECIPE, trainer }), training);
    const session = model.openSession("trainer", trainer as Record<string, unknown>);
    using state = await session.call("state", {});
    let held = 0;
    for (const [name, tensor] of Object.entries(state)) {
      if (name !== "step") held += tensor.numel * (tensor.dtype === "bfloat16" ? 2 : 4);
    }
    t.is(bytes.optimizer + bytes.averages, held, JSON.stringify(trainer));
    session.dispose();
  }
});

test("defaults are filled in, and a schedule ends with the steps", (t) => {
  const { trainer, data, ...rest } = parseRecipe(RECIPE);
  t.deepEqual(trainer, { schedule: { steps: 10 } });
  t.deepEqual(data, {});
  t.deepEqual(rest, { ...RECIPE, seed: 0, keep: 2, evaluationSamples: 512 });
  const given = parseRecipe({ ...RECIPE, trainer: { schedule: { steps: 20 } } });
  t.is(given.trainer.schedule?.steps, 20);
  const more = { adapters: { patterns: ["blocks.*"] }, recompute: true, telemetry: true };
  t.like(parseRecipe({ ...RECIPE, trainer: more }).trainer, more);
  t.deepEqual(parseRecipe(JSON.parse(JSON.stringify(given))), given);
});

for (const [name, change, message] of [
  ["no system", { system: undefined }, /text for system but received undefined/],
  ["no model", { model: undefined }, /one of model and init/],
  ["two models", { init: "models/vit" }, /one of model and init/],
  ["no steps", { steps: 0 }, /at least 1 for steps but received 0/],
  ["a fraction of a batch", { batch: 2.5 }, /for batch but received 2\.5/],
  ["a misspelt field", { stepps: 3 }, /unknown field stepps; is steps meant/],
  ["an unknown field", { colour: "red" }, /unknown field colour; known are .*seed/],
  ["a misspelt option", { trainer: { clipp: 1 } }, /unknown field trainer\.clipp; is clip meant/],
  ["an optimizer", { trainer: { optimizer: { kind: "lion" } } }, /adafactor for trainer.optimiz/],
  [
    "another optimizer's option",
    { trainer: { optimizer: { kind: "sgd", beta1: 0.9 } } },
    /unknown field trainer\.optimizer\.beta1/,
  ],
  ["a loss of code", { trainer: { loss: "given" } }, /sigmoid, softmax, .* for trainer\.loss/],
  ["no adapter", { trainer: { adapters: {} } }, /for trainer\.adapters\.patterns/],
  ["no pattern", { trainer: { groups: [{ decay: 1 }] } }, /for trainer\.groups\[0\]\.pattern/],
  [
    "a warm-up longer than the run",
    { trainer: { schedule: { kind: "cosine", warmup: 10 } } },
    /more steps than the 10 of the warm-up for trainer\.schedule\.steps but received 10/,
  ],
  ["a size of one side", { data: { size: [48] } }, /\[height, width\] in pixels for data\.size/],
  ["a list", [], /an object for the recipe/],
] as const) {
  test(`refused: ${name}`, (t) => {
    const input = Array.isArray(change) ? change : { ...RECIPE, ...change };
    t.throws(() => parseRecipe(input), { code: "BAD_CONFIG", message });
  });
}

test("files and names: what is there, what is none", (t) => {
  const file = join(temporary(t), "mine.json");
  t.throws(() => readRecipe(file), { code: "NOT_FOUND", message: /known are imagen_video\/base/ });
  writeFileSync(file, JSON.stringify(RECIPE));
  t.deepEqual(readRecipe(file), parseRecipe(RECIPE));
  writeFileSync(file, "{");
  t.throws(() => readRecipe(file), { code: "BAD_CONFIG", message: /expected JSON in .*mine/ });
  writeFileSync(file, "[]");
  t.throws(() => readRecipe(file), { code: "BAD_CONFIG", message: /an object for .*mine/ });
});

test("estimates name groups that fit nothing, and models that are not known yet", (t) => {
  const group = { groups: [{ pattern: "*" }, { pattern: "head.*" }] };
  t.throws(() => estimate(parseRecipe({ ...RECIPE, trainer: group }), training), {
    code: "BAD_CONFIG",
    message: /for trainer\.groups but received "head\.\*"/,
  });
  const { model: _, ...rest } = RECIPE;
  t.throws(() => estimate(parseRecipe({ ...rest, init: "models/vit" }), training), {
    code: "UNSUPPORTED",
  });
});

test("a trainer takes what a recipe takes", async (t) => {
  await using model = await createModule({ ...CONFIG, num_labels: 5 });
  for (const name of ["vit22b/paper", "vit22b/shapes"]) {
    using trainer = new Trainer(model, readRecipe(name).trainer);
    t.is(trainer.steps, 0);
  }
});
