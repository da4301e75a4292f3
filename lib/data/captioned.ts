/** Clips and their captions, for stages of a video cascade: one line names the data. */
import { extname } from "node:path";
import { checkOneOf } from "../core/checks.js";
import { invalidArgument } from "../core/errors.js";
import type { Size } from "./cropping.js";
import { type DatasetSource, openDataset, sourceForThreads } from "./dataset.js";
import { DataLoader, type DataLoaderOptions } from "./loader.js";
import type { ShapesWorldOptions } from "./shapesworld/options.js";
import { seedOfPart } from "./split.js";
import type { Transform } from "./transforms.js";

/** How clips become batches. */
export interface CaptionedOptions
  extends Pick<
    DataLoaderOptions,
    "batch" | "seed" | "workers" | "prefetch" | "rank" | "ranks" | "maxBad" | "onBad" | "signal"
  > {
  /** Pixels of the stage. */
  size: Size;
  frames: number;
  /** Frames a second of the stage. Shapes World is drawn at that rate unless it says otherwise. */
  fps: number;
  /** The share of clips whose frames are taken for pictures by themselves. Default 0. */
  pictures?: number | undefined;
  /** Of Shapes World: `plain` (default), "a red square moves left", or any of its `grammar`. */
  captions?: "plain" | "grammar" | undefined;
  /** `train` (default): without end, shuffled; `held`: what training does not see, once. */
  split?: "train" | "held" | undefined;
  /** The share of a list that is held out. Default 0.1. */
  heldShare?: number | undefined;
  /** Decides which ones are held out. Default 0. */
  splitSeed?: number | undefined;
  /** What differs from clips of one object that does one thing before a plain ground. */
  shapesworld?: ShapesWorldOptions | undefined;
  /** Held-out clips of Shapes World. Default 512. */
  heldClips?: number | undefined;
}

const HELD_CLIPS = 512;
/** Longer than any clip: an object does one thing. */
const ONE_ACTION = 10_000;
const JSONL = /^jsonl:(.+)$/s;

/**
 * Batches of `video`, `caption` and `is_image` (`clipArrays`) of a text: `shapesworld`, or
 * `jsonl:FILE`, a path that ends so, whose lines have a `video` or an `image` and captions. Videos
 * are read from their start at the stage's rate and brought to its size.
 *
 * @throws `BAD_INPUT` for a text that means nothing, `NOT_FOUND` for what is not there
 */
export async function captionedData(text: string, options: CaptionedOptions): Promise<DataLoader> {
  checkOneOf("split", options.split, ["train", "held"]);
  checkOneOf("captions", options.captions, ["plain", "grammar"]);
  const source = sourceOf(text, options);
  const { frames, fps, pictures, split = "train", size, ...rest } = options;
  const { batch, seed, workers, prefetch, rank, ranks, maxBad, onBad, signal } = rest;
  const training = split === "train";
  const [height, width] = size;
  const fitted: Transform[] = [
    { kind: "decode", frames, fps },
    { kind: "resize", size: [height, width], fit: "cover" },
    { kind: "centerCrop", size: [height, width] },
  ];
  const dataset = await openDataset(source);
  return await DataLoader.open(sourceForThreads(source, dataset), {
    ...{ batch, seed, workers, prefetch, rank, ranks, maxBad, onBad, signal },
    epochs: training ? Number.POSITIVE_INFINITY : 1,
    shuffle: training,
    dropLast: training,
    transforms: [
      ...(source.kind === "shapesworld" ? [] : fitted),
      { kind: "clip", frames, pictures },
    ],
  });
}

function sourceOf(text: string, options: CaptionedOptions): DatasetSource {
  if (text === "shapesworld") return clipsOf(options);
  const file = JSONL.exec(text)?.[1] ?? text;
  if (file === text && extname(text).toLowerCase() !== ".jsonl") {
    throw invalidArgument("the data", "shapesworld, or a file of JSON lines (jsonl:FILE)", text);
  }
  const { split = "train", heldShare, splitSeed } = options;
  return { kind: "jsonl", file, split, heldShare, splitSeed };
}

function clipsOf(options: CaptionedOptions): DatasetSource {
  const { size, frames, fps, seed = 0, captions = "plain", split, shapesworld } = options;
  const [height, width] = size;
  const { seed: chosen = seed, ...differing } = shapesworld ?? {};
  const held = split === "held";
  return {
    kind: "shapesworld",
    captions: captions === "plain" ? "plain" : true,
    samples: held ? (options.heldClips ?? HELD_CLIPS) : undefined,
    options: {
      ...{ frames, fps, objects: 1, occlusion: "none", backgrounds: ["plain"] },
      actionSeconds: [ONE_ACTION, ONE_ACTION],
      ...differing,
      size: [width, height],
      seed: seedOfPart(chosen, held),
    },
  };
}
