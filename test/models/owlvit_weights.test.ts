/** Checkpoints of OWL-ViT and OWLv2: the public names and shapes, and a start from CLIP. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { composeJob } from "../../lib/core/compose.js";
import { native } from "../../lib/core/runtime.js";
import type { ModuleDescription } from "../../lib/core/schema.js";
import { resolvePlan, type TensorHeader, type TensorIndex } from "../../lib/core/weights.js";
import { resizedPositions } from "../../lib/models/owlvit/clip.js";
import { fromClip, OwlViT, parseConfig, variant } from "../../lib/models/owlvit/index.js";
import { namesOf, transformers } from "../../lib/models/owlvit/weights.js";
import { agrees, fixture, temporary, tensorsOf } from "./fixtures.js";

/** What a public checkpoint holds. */
interface Listed {
  config: object;
  parameters: number;
  extra_buffers: Record<string, number[]>;
  tensors: Record<string, number[]>;
}

const LISTS = fixture("owlvit_names");
const listed = readdirSync(LISTS).map((file): [string, Listed] => [
  file.replace(/\.json$/, ""),
  JSON.parse(readFileSync(join(LISTS, file), "utf8")),
]);

const describe = (config: unknown) =>
  JSON.parse(native().describeModel(JSON.stringify(config))) as ModuleDescription;

function indexOf(tensors: Record<string, number[]>): Map<string, TensorHeader> {
  const entries = Object.entries(tensors).map(
    ([name, shape]) => [name, { dtype: "float32", shape, file: "/model.safetensors" }] as const,
  );
  return new Map(entries);
}

for (const [name, { config, parameters, extra_buffers, tensors }] of listed) {
  const complete = parseConfig(config);
  const plan = (index: TensorIndex) =>
    resolvePlan(
      describe(complete).parameters,
      transformers.rules(complete, index),
      index,
      name,
      transformers.ignores?.(index, complete),
    );

  test(`${name}: the published config is the variant's`, (t) => {
    t.deepEqual(complete, variant(name as Parameters<typeof variant>[0]));
  });

  test(`${name}: every published tensor has its parameter`, (t) => {
    const shapes = Object.fromEntries(
      describe(complete).parameters.map((one) => [one.name, one.shape]),
    );
    t.deepEqual(shapes, tensors);
    const sizes = Object.values(shapes).map((shape) => shape.reduce((a, b) => a * b, 1));
    t.is(
      sizes.reduce((a, b) => a + b, 0),
      parameters,
    );
  });

  test(`${name}: the real names load, with the buffers of older files, and strictly`, (t) => {
    const index = indexOf(tensors);
    for (const [buffer, shape] of Object.entries(extra_buffers)) {
      index.set(buffer, { dtype: "int64", shape, file: "/model.safetensors" });
    }
    t.true(transformers.detect(index));
    t.is(plan(index).entries.length, Object.keys(tensors).length);

    const [renamed] = Object.keys(tensors).filter((one) => one.includes("layers.0.mlp.fc1.weight"));
    const wrong = new Map(index);
    wrong.set(`${renamed}_`, wrong.get(renamed!)!);
    wrong.delete(renamed!);
    const error = t.throws(() => plan(wrong), { code: "BAD_CHECKPOINT" });
    t.true(error?.message.includes(`1 missing: ${renamed} (there is ${renamed}_)`));
    t.true(error?.message.includes("1 left over"));
  });
}

test("each name of the table is a parameter's", (t) => {
  for (const type of ["owlvit", "owlv2"] as const) {
    const { parameters } = describe(
      variant(type === "owlvit" ? "owlvit-base-patch32" : "owlv2-base-patch16"),
    );
    const layers = new Set(parameters.map(({ name }) => name.replace(/\.\d+\./, ".{}.")));
    const table = namesOf(type).filter((one) => type === "owlv2" || !one.startsWith("objectness"));
    t.deepEqual([...layers].sort(), table.sort());
  }
});

test("positions are resized as SciPy zooms", async (t) => {
  const folder = fixture("owlvit_clip");
  const expected = await tensorsOf(join(folder, "expected.safetensors"));
  const clip = await tensorsOf(join(folder, "model.safetensors"));
  const table = clip["vision_model.embeddings.position_embedding.weight"]!;
  for (const side of [3, 4, 7, 9]) {
    const got = await composeJob({}, (steps) => resizedPositions(table, side, steps));
    await agrees(t, `${side}`, got, expected[`positions.${side}`]!, 1e-6);
  }
});

test("a detector that starts from CLIP: its towers, and fresh heads", async (t) => {
  const [source, target] = [fixture("owlvit_clip"), join(temporary(t), "detector")];
  await fromClip(source, target, { modelType: "owlv2", imageSize: 28, seed: 3 });
  const clip = await tensorsOf(join(source, "model.safetensors"));
  const made = await tensorsOf(join(target, "model.safetensors"));
  const expected = await tensorsOf(join(source, "expected.safetensors"));
  const tower = "owlv2.vision_model";
  const own = (name: string) => made[`owlv2.${name}`]!;
  await agrees(
    t,
    "norm",
    own("vision_model.pre_layernorm.weight"),
    clip["vision_model.pre_layrnorm.weight"]!,
    0,
  );
  await agrees(
    t,
    "positions",
    made[`${tower}.embeddings.position_embedding.weight`]!,
    expected["positions.7"]!,
    1e-6,
  );
  const texts = "text_model.embeddings.position_embedding.weight";
  await agrees(t, "texts", own(texts), clip[texts]!.index(`:16`), 0);
  t.is(made["box_head.dense2.weight"]!.abs().max().item(), 0);
  t.true(Math.abs(Number(made["class_head.logit_shift.bias"]!.item()) + 4.595) < 1e-3);

  await using model = await OwlViT.load(target);
  using embedded = await model.embedImage({
    data: new Uint8Array(48),
    width: 4,
    height: 4,
    channels: 3,
  });
  t.is(embedded.patches, 49);
  await t.throwsAsync(async () => await fromClip(fixture("owlvit", "base"), target), {
    code: "BAD_CONFIG",
  });
});
