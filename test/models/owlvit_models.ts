/** Small detectors with CLIP's tokenizer, whose weights tests may choose. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensor } from "../../lib/core/create.js";
import { readTensors, writeTensors } from "../../lib/core/files.js";
import { ops } from "../../lib/core/ops.js";
import { tidy } from "../../lib/core/scope.js";
import type { Tensor } from "../../lib/core/tensor.js";
import type { RawImage } from "../../lib/media/image.js";
import "../../lib/models/index.js";
import {
  OwlViT,
  type OwlViTConfigInput,
  type OwlViTLoadOptions,
  type Predictions,
} from "../../lib/models/owlvit/index.js";
import { noise } from "../media/pictures.js";
import { writeClipFiles } from "../text/clip_files.js";

export const TYPES = ["owlvit", "owlv2"] as const;
export type Type = (typeof TYPES)[number];

/** Patches of the models: 6 rows and columns of 16 pixels. */
export const PATCHES = 36;
/** Width of their embeddings. */
export const WIDTH = 16;

const TOWER = { num_hidden_layers: 2, num_attention_heads: 2 };

export const smallConfig = (model_type: Type): OwlViTConfigInput => ({
  model_type,
  projection_dim: WIDTH,
  vision_config: {
    ...TOWER,
    hidden_size: 32,
    intermediate_size: 64,
    image_size: 96,
    patch_size: 16,
  },
  text_config: { ...TOWER, hidden_size: WIDTH, intermediate_size: 32, vocab_size: 49408 },
});

/** Where this process has its models; gone when it ends. */
export const scratch = mkdtempSync(join(tmpdir(), "torchsight-owlvit-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

let tokenizer: string | undefined;

/** A folder with CLIP's tokenizer and nothing else. */
export function tokenizerFolder(): string {
  if (tokenizer !== undefined) return tokenizer;
  tokenizer = join(scratch, "tokenizer");
  mkdirSync(tokenizer);
  writeClipFiles(tokenizer, { layout: "vocab.json", settings: "plain" });
  return tokenizer;
}

/** As for training: class embeddings are tiny and boxes are those of their cells. */
export const untrained = (type: Type, options: OwlViTLoadOptions = {}) =>
  OwlViT.random(smallConfig(type), { seed: 1, tokenizer: tokenizerFolder(), ...options });

/** The weights of a model, by name. */
export type Weights = Record<string, Tensor>;

/** Waves in place of weights that begin as zeros, so that boxes differ. */
const waves = (shape: readonly number[], height: number) =>
  tensor(
    Float32Array.from(
      { length: shape.reduce((product, size) => product * size, 1) },
      (_, i) => height * Math.sin(12.9898 * i * i),
    ),
    { shape: [...shape] },
  );

/** Weights with which some scores are high, some low, and each query is best somewhere. */
export function sharpened(weights: Weights): Weights {
  const { "class_head.dense0.weight": classes, "box_head.dense2.weight": boxes } = weights;
  return {
    "class_head.dense0.weight": ops.mul(classes!, 1e6),
    "class_head.logit_shift.bias": tensor([0]),
    "class_head.logit_scale.bias": tensor([2]),
    "box_head.dense2.weight": waves(boxes!.shape, 0.5),
  };
}

const made = new Map<string, Promise<string>>();

/** The folder of a model whose weights, or some of them, are those that `change` makes. */
export function folderWith(
  type: Type,
  change: (weights: Weights) => Weights = sharpened,
  name = change.name,
): Promise<string> {
  const folder = join(scratch, `${type}-${name}`);
  let making = made.get(folder);
  if (!making) {
    making = make(folder, type, change);
    made.set(folder, making);
  }
  return making;
}

async function make(
  folder: string,
  type: Type,
  change: (weights: Weights) => Weights,
): Promise<string> {
  using model = await untrained(type);
  await model.save(folder);
  const file = join(folder, "model.safetensors");
  await tidy(async () => {
    const weights = await readTensors(file);
    await writeTensors(file, { ...weights, ...change(weights) });
  });
  return folder;
}

/** A model that tells things apart. */
export async function sharp(type: Type, options: OwlViTLoadOptions = {}): Promise<OwlViT> {
  return await OwlViT.load(await folderWith(type), options);
}

/** A picture without a pattern. */
export const noisy = (width: number, height: number, seed = 1): RawImage => ({
  data: noise(width * height * 3, seed),
  width,
  height,
  channels: 3,
});

/** A black picture with a white rectangle. */
export function planted(width: number, height: number, box: readonly number[]): RawImage {
  const [x0, y0, x1, y1] = box as [number, number, number, number];
  const data = new Uint8Array(width * height * 3);
  for (let y = y0; y < y1; y += 1) data.fill(255, 3 * (y * width + x0), 3 * (y * width + x1));
  return { data, width, height, channels: 3 };
}

/** Rows of numbers: [rows, columns]. */
export async function rowsOf(table: Tensor): Promise<number[][]> {
  const columns = table.shape.at(-1)!;
  const values = [...(await table.to("float32").data())];
  return Array.from({ length: values.length / columns }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns),
  );
}

/** A patch and a query, and what becomes of them. */
export interface Restated {
  patch: number;
  query: number;
  score: number;
  /** Corners in pixels. */
  box: number[];
}

/** Every patch with every query, said plainly: the best first. */
export async function restated(
  { logits, pred_boxes }: Predictions,
  { x, y }: { x: number; y: number },
): Promise<Restated[]> {
  const boxes = (await rowsOf(pred_boxes)).map(([cx, cy, w, h]) => [
    (cx! - w! / 2) * x,
    (cy! - h! / 2) * y,
    (cx! + w! / 2) * x,
    (cy! + h! / 2) * y,
  ]);
  return (await rowsOf(logits))
    .flatMap((row, patch) =>
      row.map((logit, query) => ({ patch, query, logit, box: boxes[patch]! })),
    )
    .sort((a, b) => b.logit - a.logit)
    .map(({ logit, ...rest }) => ({ ...rest, score: 1 / (1 + Math.exp(-logit)) }));
}

/** Only the first of each patch. */
export function onePerPatch(pairs: readonly Restated[]): Restated[] {
  const seen = new Set<number>();
  return pairs.filter(({ patch }) => !seen.has(patch) && seen.add(patch));
}

/** Intersection over union of two boxes. */
export function iou(a: readonly number[], b: readonly number[]): number {
  const side = (axis: number) =>
    Math.max(0, Math.min(a[axis + 2]!, b[axis + 2]!) - Math.max(a[axis]!, b[axis]!));
  const area = (box: readonly number[]) => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const shared = side(0) * side(1);
  return shared / (area(a) + area(b) - shared);
}

/** Those that overlap none that was kept before by more than `limit`. */
export function suppressed(
  found: readonly Restated[],
  limit: number,
  together: (a: Restated, b: Restated) => boolean,
): Restated[] {
  const kept: Restated[] = [];
  for (const one of found) {
    const dropped = kept.some((other) => together(one, other) && iou(one.box, other.box) > limit);
    if (!dropped) kept.push(one);
  }
  return kept;
}
