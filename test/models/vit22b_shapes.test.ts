/** The classifier that ships with the package, on scenes that were never trained on. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { classificationData } from "../../lib/data/index.js";
import { meanAveragePrecision } from "../../lib/eval/classification.js";
import { ViT22B } from "../../lib/models/vit22b/index.js";
import { readRecipe } from "../../lib/recipes/index.js";

const FOLDER = fileURLToPath(new URL("../../assets/vit22b-shapes", import.meta.url));
const SCENES = 256;

test("it tells shapes and colours of new scenes", async (t) => {
  await using model = await ViT22B.load(FOLDER);
  const { data, seed } = readRecipe(join(FOLDER, "recipe.json"));
  const side = model.config.image_size as number;
  await using scenes = await classificationData("shapesworld", {
    ...{ batch: 64, size: [side, side], split: "held", heldScenes: SCENES },
    // Neither the scenes of training nor those of its evaluations.
    seed: seed + 1,
    shapesworld: data.shapesworld!,
  });
  t.deepEqual(scenes.labels, model.labels);
  const [scores, truths]: [number[], number[]] = [[], []];
  for await (const { pixel_values, labels } of scenes.loader) {
    using pixels = pixel_values!;
    using there = labels!;
    using told = await model.module.call("classify", { pixel_values: pixels });
    scores.push(...Array.from(await told.logits!.data(), Number));
    truths.push(...Array.from(await there.data(), Number));
  }
  t.is(truths.length, SCENES * scenes.labels.length);
  const { mean } = meanAveragePrecision(scores, truths, scenes.labels.length);
  t.true(mean >= 0.97, `${mean}`);
});

test("it is small, and its page tells of it", (t) => {
  t.true(statSync(join(FOLDER, "model.safetensors")).size <= 2e6);
  t.regex(readFileSync(join(FOLDER, "README.md"), "utf8"), /mean average precision .* 0\.999/);
});
