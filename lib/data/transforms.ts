/** What is done to samples on the way into a batch, by name, so that threads can be told of it. */
import { checkOneOf } from "../core/checks.js";
import { invalidArgument } from "../core/errors.js";
import { type LabelOptions, labelArray, type PixelOptions, pixelArray } from "./arrays.js";
import { type ClipOptions, clipArrays } from "./clips.js";
import { centerCrop, flip, inceptionCrop, resize, type Size } from "./cropping.js";
import type { ModuleSource, Sample } from "./dataset.js";
import { type DecodeSampleOptions, decodeSample } from "./decoding.js";
import { importFunction } from "./module.js";
import type { Random } from "./shapesworld/random.js";

/** A step of the way. Boxes go with their pictures. */
export type Transform =
  /** Pixels of what is named by its file. Comes first by itself where it is not told. */
  | ({ kind: "decode" } & DecodeSampleOptions)
  /**
   * A part of random area and aspect ratio, brought to `size`: torchvision's RandomResizedCrop with
   * the least area of big_vision's inception crop.
   */
  | {
      kind: "inceptionCrop";
      size: Size;
      /** Shares of the picture. Default 0.05 to 1. */
      area?: readonly [least: number, most: number] | undefined;
      /** Width over height. Default 3/4 to 4/3. */
      aspect?: readonly [least: number, most: number] | undefined;
    }
  /** Left for right, with a probability of 0.5 by default. */
  | { kind: "flip"; probability?: number | undefined }
  /** To `size`; with `cover` the smallest one of the picture's aspect ratio that covers it. */
  | { kind: "resize"; size: Size; fit?: "fill" | "cover" | undefined }
  /** The middle of a picture that is as large at least. */
  | { kind: "centerCrop"; size: Size }
  /** Makes `pixel_values`. */
  | ({ kind: "pixels" } & PixelOptions)
  /** Makes `labels`. */
  | ({ kind: "labels" } & LabelOptions)
  /** Makes `video`, `caption` and `is_image`. */
  | ({ kind: "clip" } & ClipOptions)
  /** The user's own: an export that makes a {@link SampleTransform} of `options`. */
  | ModuleSource;

/** What is done to a sample, with random numbers of its own. What it throws makes it a bad one. */
export type SampleTransform = (sample: Sample, random: Random) => Sample | Promise<Sample>;

const KINDS: readonly Transform["kind"][] = [
  "decode",
  "inceptionCrop",
  "flip",
  "resize",
  "centerCrop",
  "pixels",
  "labels",
  "clip",
  "module",
];

/** @internal As threads can be told of them. */
export function transformsForThreads(transforms: readonly Transform[]): readonly Transform[] {
  if (!Array.isArray(transforms)) throw invalidArgument("transforms", "a list", transforms);
  return transforms.map((one) => (one?.kind === "module" ? { ...one, url: String(one.url) } : one));
}

/** @internal All of them as one. Throws `BAD_INPUT` for options that mean nothing. */
export async function compose(transforms: readonly Transform[]): Promise<SampleTransform> {
  const decoded = transforms[0]?.kind === "decode";
  const all: readonly Transform[] = decoded ? transforms : [{ kind: "decode" }, ...transforms];
  const steps: SampleTransform[] = [];
  for (const transform of all) steps.push(await stepOf(transform));
  return async (sample, random) => {
    let made = sample;
    for (const step of steps) made = await step(made, random);
    return made;
  };
}

async function stepOf(transform: Transform): Promise<SampleTransform> {
  checkOneOf("the kind of a transform", transform?.kind, KINDS);
  switch (transform.kind) {
    case "decode":
      return decodeSample(transform);
    case "inceptionCrop":
      return inceptionCrop(transform);
    case "flip":
      return flip(transform);
    case "resize":
      return resize(transform);
    case "centerCrop":
      return centerCrop(transform);
    case "pixels":
      return pixelArray(transform);
    case "labels":
      return labelArray(transform);
    case "clip":
      return clipArrays(transform);
    case "module":
      return await ownStep(transform);
    default:
      throw invalidArgument("the kind of a transform", KINDS.join(", "), transform);
  }
}

async function ownStep(transform: ModuleSource): Promise<SampleTransform> {
  const step = await (await importFunction(transform))(transform.options);
  if (typeof step === "function") return step as SampleTransform;
  throw invalidArgument(`what ${transform.url} makes`, "a function of a sample", step);
}
