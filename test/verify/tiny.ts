/** A tiny detector that can read, and what it says of a photo by a single call of its module. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { composeJob } from "../../lib/core/compose.js";
import { tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { tidy } from "../../lib/core/scope.js";
import type { Tensor } from "../../lib/core/tensor.js";
import { requireLibtorch } from "../../lib/install/libtorch.js";
import { decodeImage } from "../../lib/media/image.js";
import { OwlViT } from "../../lib/models/owlvit/index.js";
import { boxMap, toPixelValues } from "../../lib/models/owlvit/processing.js";
import { adjusted } from "../../lib/models/owlvit/processor.js";
import { type OwlViTReference, QUERIES, THRESHOLD } from "../../lib/models/owlvit/references.js";
import { tokenizeQueries } from "../../lib/models/owlvit/text.js";
import { bundledLibtorch } from "../../lib/native/paths.js";
import { Tokenizer } from "../../lib/text/tokenizer.js";
import type { Files } from "../hub/server.js";
import { writeClipFiles } from "../text/clip_files.js";

export const PHOTO = fileURLToPath(new URL("../../assets/photos/chelsea.jpg", import.meta.url));

/** The package's cache in another folder, but libtorch where it was. */
export function ownPackageCache(folder: string): string {
  process.env.TORCHSIGHT_LIBTORCH = requireLibtorch({ bundle: bundledLibtorch() }).path;
  process.env.TORCHSIGHT_CACHE = folder;
  return folder;
}

/** Writes a model with random weights. */
export async function writeTiny(folder: string, type: "owlvit" | "owlv2"): Promise<void> {
  const tower = { num_hidden_layers: 1, num_attention_heads: 2 };
  const config = {
    model_type: type,
    vision_config: {
      ...tower,
      hidden_size: 16,
      intermediate_size: 24,
      image_size: 96,
      patch_size: 32,
    },
    text_config: { ...tower, hidden_size: 8, intermediate_size: 12 },
    projection_dim: 8,
  };
  await using model = await OwlViT.random(config, { seed: 7 });
  await model.save(folder);
  await moveBoxes(join(folder, "model.safetensors"));
  writeClipFiles(folder, { layout: "vocab.json" });
}

/** Before training, boxes are cells whatever the picture shows: gives their layer some weights. */
async function moveBoxes(file: string): Promise<void> {
  const tensors = await readTensors(file);
  const name = "box_head.dense2.weight";
  const { shape, numel } = tensors[name]!;
  const waves = Float32Array.from({ length: numel }, (_, place) => Math.sin(place));
  await writeTensors(file, { ...tensors, [name]: tensor(waves, { shape }) });
}

/** The files of a folder. */
export function filesOf(folder: string): Files {
  const names = readdirSync(folder);
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** All that is published of a model in one way of preparing the photo. */
type Values = { [value in keyof OwlViTReference["values"]]-?: number[][] };

/** What the model of a folder says: of patches three, of detections all. */
export async function valuesOf(
  folder: string,
  { protocol, size }: Pick<OwlViTReference, "protocol" | "size">,
): Promise<Values> {
  await using model = await OwlViT.load(folder);
  const image = await decodeImage(PHOTO);
  const processor = { ...adjusted(model.processor, { protocol }), ...(size && { size }) };
  const { ids } = tokenizeQueries(await Tokenizer.load(folder), QUERIES);
  return await tidy(async () => {
    const pixel_values = await composeJob({}, (steps) => toPixelValues([image], processor, steps));
    const args = { interpolate_pos_encoding: true };
    const input_ids = tensor(ids, { shape: [QUERIES.length, 16] });
    const text = await model.module.call("detect", { pixel_values, input_ids }, { args });
    const pictures = { pixel_values, query_pixel_values: pixel_values };
    const guided = await model.module.call("detect_image_guided", pictures, { args });
    const [logits, boxes] = [await rowsOf(text.logits), await rowsOf(text.pred_boxes)];
    const target = await rowsOf(guided.target_pred_boxes);
    const map = boxMap(image, processor);
    const found = logits.flatMap((row, patch) => {
      const score = 1 / (1 + Math.exp(-Math.max(...row)));
      const [x, y, w, h] = boxes[patch] as [number, number, number, number];
      const corners = [x - w / 2, y - h / 2, x + w / 2, y + h / 2];
      const box = corners.map((side, at) => side * (at % 2 === 0 ? map.x : map.y));
      return score > THRESHOLD ? [{ query: row.indexOf(Math.max(...row)), score, box }] : [];
    });
    return {
      logits: logits.slice(0, 3),
      pred_boxes: boxes.slice(0, 3).map((box) => box.slice(0, 3)),
      target_pred_boxes: target.slice(0, 3).map((box) => box.slice(0, 3)),
      queries: found.map(({ query }) => [query]),
      scores: found.map(({ score }) => [score]),
      boxes: found.map(({ box }) => box),
    };
  });
}

/** [1, P, N] as P rows. */
async function rowsOf(all: Tensor): Promise<number[][]> {
  return ((await all.toArray()) as number[][][])[0]!;
}
