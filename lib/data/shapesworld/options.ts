import type { Attribute, Background, Combination } from "./vocabulary.js";

/** A whole number, or the least and the most that are drawn from evenly. */
export type Span = number | readonly [least: number, most: number];

/** Sizes of pictures: one, several to draw from, or a rule. */
export type ClipSize =
  | readonly [width: number, height: number]
  | readonly (readonly [width: number, height: number])[]
  | SizeRule;

/** Pictures of many sizes and aspect ratios. */
export interface SizeRule {
  /** Pixels of the shorter side. */
  shortSide: Span;
  /** Width over height, drawn evenly from this range. */
  aspect: readonly [least: number, most: number];
  /** Both sides are rounded to a multiple of it. Default 1. */
  multipleOf?: number | undefined;
}

/**
 * How often values come: `{ zipf: s }` gives the value of rank r, in the order of the vocabulary,
 * a weight of r^-s; else each value has the weight named, and those not named have none.
 */
export type Weights<Value extends string> =
  | { readonly zipf: number }
  | { readonly [K in Value]?: number | undefined };

/** Attributes of objects that belong together, e.g. `{ shape: "star", color: "red" }`. */
export type PartialCombination = { readonly [K in Attribute]?: Combination[K] | undefined };

/** What a {@link ShapesWorld} is like. */
export interface ShapesWorldOptions {
  /** Of everything random. Default 0. */
  seed?: number | undefined;
  /** Pixels, each side 8 to 4096. Default 64 x 64. */
  size?: ClipSize | undefined;
  /** Frames of a clip, 1 to 10,000. Default 16. */
  frames?: Span | undefined;
  /** Frames a second of the world. Default 8. */
  fps?: number | undefined;
  /** Each how manieth frame of the world is shown, at `fps / stride`. Default 1: all. */
  stride?: number | undefined;
  /** Objects of a clip, 1 to 16; fewer where there is no room. Default 1 to 4. */
  objects?: Span | undefined;
  /** Seconds that an action of an object lasts, at least and at most. Default 1 to 2. */
  actionSeconds?: readonly [least: number, most: number] | undefined;
  /** Values of attributes that may come, and in which order weights rank them. Default: all. */
  vocabulary?: { readonly [K in Attribute]?: readonly Combination[K][] | undefined } | undefined;
  /** How often values of attributes come. Default: alike. */
  weights?: { readonly [K in Attribute]?: Weights<Combination[K]> | undefined } | undefined;
  /** What lies behind the objects. Default: all kinds. */
  backgrounds?: readonly Background[] | undefined;
  /** Combinations kept apart: an object belongs to one if all named attributes agree. */
  heldOut?: readonly PartialCombination[] | undefined;
  /**
   * Whether clips have no object of a combination held out (`train`), at least one (`heldOut`), or
   * whatever comes (`all`). Default `train`.
   */
  split?: "train" | "heldOut" | "all" | undefined;
  /**
   * How surfaces look: of one colour (`none`), in the pattern that belongs to the object's shape
   * (`matching`), or in the pattern of another shape (`conflict`). Default `none`.
   */
  texture?: "none" | "matching" | "conflict" | undefined;
  /** How much objects hide each other. Default `some`. */
  occlusion?: "none" | "some" | "heavy" | undefined;
  /** How far from the middle objects are put: 0 in it, 1 anywhere. Default 1. */
  spread?: number | undefined;
  /** Levels, 0 to 64, by which the grain of a camera moves each pixel at most. Default 0. */
  grain?: number | undefined;
  /** Captions of a clip, 1 to 64. Default 4. */
  captions?: number | undefined;
  /** The probability that a caption says something wrong. Default 0. */
  captionNoise?: number | undefined;
  /** Questions of a clip at most, 0 to 64. Default 6. */
  questions?: number | undefined;
  /** Each how manieth frame has labels, from a random one on. Default 1: all. */
  keyframeEvery?: number | undefined;
}
