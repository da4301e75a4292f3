/** What there is in Shapes World. */

export const SHAPES = [
  "circle",
  "square",
  "triangle",
  "star",
  "plus",
  "bar",
  "heart",
  "arrow",
  "pentagon",
  "semicircle",
] as const;
export type Shape = (typeof SHAPES)[number];

export const COLORS = [
  "red",
  "green",
  "blue",
  "yellow",
  "purple",
  "orange",
  "cyan",
  "pink",
  "white",
] as const;
export type Color = (typeof COLORS)[number];

/** Red, green and blue of each colour. All are brighter than any ground. */
export const RGB: Readonly<Record<Color, readonly [number, number, number]>> = {
  red: [230, 45, 45],
  green: [45, 175, 70],
  blue: [50, 90, 235],
  yellow: [245, 220, 45],
  purple: [160, 65, 220],
  orange: [245, 135, 25],
  cyan: [50, 210, 220],
  pink: [250, 145, 195],
  white: [245, 245, 245],
};

export const SIZES = ["small", "medium", "large"] as const;
export type Size = (typeof SIZES)[number];

/** The radius that each size has, in short sides of the picture, before it varies a little. */
export const RADII: Readonly<Record<Size, number>> = { small: 0.085, medium: 0.125, large: 0.18 };

export const FILLS = ["filled", "outlined"] as const;
export type Fill = (typeof FILLS)[number];

export const MOTIONS = [
  "still",
  "left",
  "right",
  "up",
  "down",
  "bounce",
  "orbit",
  "spin",
  "blink",
  "grow",
  "shrink",
  "meet",
  "part",
] as const;
export type Motion = (typeof MOTIONS)[number];

/** Motions that two objects make together. */
export function isPaired(motion: Motion): motion is "meet" | "part" {
  return motion === "meet" || motion === "part";
}

/** Frames below which a motion cannot be told from another. */
export function leastFrames(motion: Motion): number {
  if (motion === "still") return 1;
  return motion === "bounce" || motion === "orbit" ? 4 : 2;
}

export const BACKGROUNDS = ["plain", "gradient", "textured"] as const;
export type Background = (typeof BACKGROUNDS)[number];

/** The attributes of an object and one motion of it. */
export interface Combination {
  readonly shape: Shape;
  readonly color: Color;
  readonly size: Size;
  readonly fill: Fill;
  readonly motion: Motion;
}

/** All values of each attribute. */
export const VOCABULARY = {
  shape: SHAPES,
  color: COLORS,
  size: SIZES,
  fill: FILLS,
  motion: MOTIONS,
} as const satisfies { [K in keyof Combination]: readonly Combination[K][] };

export type Attribute = keyof Combination;

export const ATTRIBUTES = Object.keys(VOCABULARY) as Attribute[];

export const RELATIONS = ["left of", "above", "in front of"] as const;
export type Relation = (typeof RELATIONS)[number];
