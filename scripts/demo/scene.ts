/** The demo's trained model: which shapes and colours are in a scene, and where each comes from. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tensor } from "../../lib/core/create.js";
import { ops } from "../../lib/core/ops.js";
import { ShapesWorld } from "../../lib/data/shapesworld/index.js";
import { gridOf, labelsOf, ViT22B } from "../../lib/models/vit22b/index.js";
import { readRecipe } from "../../lib/recipes/index.js";
import { drawMaps } from "./picture.js";

/** What `torchsight train vit22b --recipe vit22b/shapes` left. */
const FOLDER = fileURLToPath(new URL("../../assets/vit22b-shapes", import.meta.url));
/** Training draws its scenes from other seeds. */
const SEED = 2022;
const OBJECTS = 3;
/** Labels that are likelier are told, and so are those that are there. */
const LIKELY = 0.5;
const CHANNELS = 3;

export interface Told {
  label: string;
  probability: number;
  /** Whether an object of the scene has it. */
  there: boolean;
}

/** Classifies a scene, and draws it beside a map for each label that the model sees in it. */
export async function classifyScene(path: string): Promise<Told[]> {
  await using model = await ViT22B.load(FOLDER);
  const labels = labelsOf(model.config)!;
  const side = model.config.image_size as number;
  const { shapesworld } = readRecipe(join(FOLDER, "recipe.json")).data;
  const drawn = { size: [side, side], frames: 1, objects: OBJECTS, seed: SEED } as const;
  const clip = new ShapesWorld({ ...shapesworld, ...drawn }).clip(0);
  const scene = clip.frame(0);
  using pixels = tensor(
    Float32Array.from(scene.data, (level) => level / 127.5 - 1),
    {
      shape: [side, side, CHANNELS],
    },
  );
  using picture = pixels.permute([2, 0, 1]).contiguous();
  using result = await model.explain(picture, { labels });
  using probabilities = ops.sigmoid(result.logits);
  const [scores, maps] = [await probabilities.data(), await result.maps.data()];
  const names = new Set(clip.objects.flatMap(({ shape, color }) => [shape as string, color]));
  const told = labels.map((label, at) => ({
    label,
    probability: Number(scores[at]),
    there: names.has(label),
  }));
  const seen = told.flatMap(({ probability }, at) => (probability > LIKELY ? [at] : []));
  const tokens = maps.length / labels.length;
  await drawMaps(
    scene,
    gridOf(model.config),
    seen.map((at) => (maps as Float32Array).subarray(at * tokens, (at + 1) * tokens)),
    path,
  );
  return told.filter(({ probability, there }) => there || probability > LIKELY);
}
