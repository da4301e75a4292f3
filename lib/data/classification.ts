/** Pictures and their labels, for classifiers: one line names the data. */
import { statSync } from "node:fs";
import { extname } from "node:path";
import { checkOneOf } from "../core/checks.js";
import { invalidArgument, TorchsightError } from "../core/errors.js";
import type { Size } from "./cropping.js";
import { type Dataset, type DatasetSource, openDataset, sourceForThreads } from "./dataset.js";
import { Listed } from "./listed.js";
import { DataLoader, type DataLoaderOptions } from "./loader.js";
import type { ShapesWorldOptions } from "./shapesworld/options.js";
import { seedOfPart } from "./split.js";
import type { Transform } from "./transforms.js";

/** How pictures become batches for a classifier. */
export interface ClassificationOptions
  extends Pick<
    DataLoaderOptions,
    "batch" | "seed" | "workers" | "prefetch" | "rank" | "ranks" | "maxBad" | "onBad" | "signal"
  > {
  /** Pixels of the model. */
  size: Size;
  /**
   * `train` (default): without end, shuffled, full batches, pictures cropped and flipped by chance.
   * `held`: what training does not see, in order, once, the middle of each picture.
   */
  split?: "train" | "held" | undefined;
  /** The share of a list that is held out. Default 0.1. */
  heldShare?: number | undefined;
  /** Decides which ones are held out; the same for both parts. Default 0. */
  splitSeed?: number | undefined;
  /** The folder of COCO's pictures. Default: that of the file. */
  images?: string | undefined;
  /** What differs from scenes of one frame with 1 to 4 objects that do not hide each other. */
  shapesworld?: ShapesWorldOptions | undefined;
  /** Held-out scenes of Shapes World. Default 512. */
  heldScenes?: number | undefined;
  /** `multi_hot` (default): float32 [B, K]; `index`: int64 [B], for one label a picture. */
  labels?: "multi_hot" | "index" | undefined;
}

/** Pictures and labels in batches, and what the labels are. */
export interface ClassificationData extends AsyncDisposable {
  /** Batches of `pixel_values`, float32 [B, 3, h, w] in [-1, 1], and `labels`. */
  loader: DataLoader;
  /** Names, by index. */
  labels: readonly string[];
  /** Undefined without end. */
  samples: number | undefined;
  /** Whether a picture can have several labels, or none. */
  multiLabel: boolean;
}

/** Side of a resized picture over the side of its crop, as ViT-22B's family is evaluated. */
const MARGIN = 256 / 224;
const HELD_SCENES = 512;
const NAMED = /^(folder|coco|jsonl):(.+)$/s;
const ENDINGS: Readonly<Record<string, string>> = { ".json": "coco", ".jsonl": "jsonl" };

/**
 * Data of a classifier by a text: `shapesworld`, `folder:DIR`, `coco:FILE`, `jsonl:FILE`, or a path
 * that tells by itself: a folder, a `.json`, or a `.jsonl`.
 *
 * Scenes of Shapes World that are held out come from another seed than those of training. Of a
 * list a seeded share is held out, by the names of files.
 *
 * @throws `BAD_INPUT` for a text that means nothing and for data without labels, `NOT_FOUND` for
 *   what is not there
 */
export async function classificationData(
  text: string,
  options: ClassificationOptions,
): Promise<ClassificationData> {
  checkOneOf("split", options.split, ["train", "held"]);
  const source = sourceOf(text, options);
  const dataset = await openDataset(source);
  const { labels } = dataset;
  if (!labels?.length) throw new TorchsightError("BAD_INPUT", `expected labels in ${text}`);
  const { size, split = "train", labels: as, ...rest } = options;
  const training = split === "train";
  const drawn = source.kind === "shapesworld";
  const { batch, seed, workers, prefetch, rank, ranks, maxBad, onBad, signal } = rest;
  const loader = await DataLoader.open(sourceForThreads(source, dataset), {
    ...{ batch, seed, workers, prefetch, rank, ranks, maxBad, onBad, signal },
    epochs: training ? Number.POSITIVE_INFINITY : 1,
    shuffle: training,
    dropLast: training,
    transforms: [
      ...(drawn ? [] : cropsOf(size, training)),
      { kind: "pixels" },
      { kind: "labels", count: labels.length, as },
    ],
  });
  return {
    loader,
    labels,
    samples: Number.isFinite(loader.samples) ? loader.samples : undefined,
    multiLabel: severalLabels(dataset),
    [Symbol.asyncDispose]: () => loader[Symbol.asyncDispose](),
  };
}

function sourceOf(text: string, options: ClassificationOptions): DatasetSource {
  if (text === "shapesworld") return scenesOf(options);
  const { split = "train", heldShare, splitSeed, images } = options;
  const [, kind = guessed(text), path = text] = NAMED.exec(text) ?? [];
  const part = { split, heldShare, splitSeed };
  if (kind === "folder") return { kind, folder: path, ...part };
  return kind === "coco"
    ? { kind, file: path, images, ...part }
    : { kind: "jsonl", file: path, ...part };
}

function scenesOf({ size: [height, width], split, seed = 0, ...rest }: ClassificationOptions) {
  const { seed: chosen = seed, ...differing } = rest.shapesworld ?? {};
  const held = split === "held";
  const options: ShapesWorldOptions = {
    size: [width, height],
    frames: 1,
    objects: [1, 4],
    occlusion: "none",
    ...differing,
    seed: seedOfPart(chosen, held),
  };
  const samples = held ? (rest.heldScenes ?? HELD_SCENES) : undefined;
  return { kind: "shapesworld", options, samples, captions: false } satisfies DatasetSource;
}

/** What a path leads to. */
function guessed(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) {
    const forms = "shapesworld, folder:DIR, coco:FILE, jsonl:FILE";
    throw new TorchsightError("NOT_FOUND", `there is no ${path}; data can be ${forms} or a path`);
  }
  if (stats.isDirectory()) return "folder";
  const kind = ENDINGS[extname(path).toLowerCase()];
  if (kind !== undefined) return kind;
  throw invalidArgument("the data", `a folder, or a file of ${Object.keys(ENDINGS)}`, path);
}

function cropsOf([height, width]: Size, training: boolean): Transform[] {
  if (training) return [{ kind: "inceptionCrop", size: [height, width] }, { kind: "flip" }];
  const covered: Size = [Math.round(height * MARGIN), Math.round(width * MARGIN)];
  return [
    { kind: "resize", size: covered, fit: "cover" },
    { kind: "centerCrop", size: [height, width] },
  ];
}

/** Whether labels can be several: a list tells, of all else it has to be assumed. */
function severalLabels(dataset: Dataset): boolean {
  if (!(dataset instanceof Listed)) return true;
  return dataset.entries.some(({ labels = [] }) => labels.length !== 1);
}
