/** The words of captions: for each meaning the ways to say it, the plainest first. */
import type { Color, Fill, Motion, Relation, Shape, Size } from "./vocabulary.js";

export const SIZE_WORDS: Readonly<Record<Size, readonly string[]>> = {
  small: ["small", "little", "tiny"],
  medium: ["medium", "medium-sized"],
  large: ["large", "big", "huge"],
};

export const FILL_WORDS: Readonly<Record<Fill, readonly string[]>> = {
  filled: ["filled", "solid"],
  outlined: ["outlined", "hollow"],
};

export const COLOR_WORDS: Readonly<Record<Color, readonly string[]>> = {
  red: ["red", "scarlet"],
  green: ["green", "emerald"],
  blue: ["blue", "azure"],
  yellow: ["yellow", "golden"],
  purple: ["purple", "violet"],
  orange: ["orange", "amber"],
  cyan: ["cyan", "turquoise"],
  pink: ["pink", "rosy"],
  white: ["white", "snowy"],
};

/** One and several of each. */
export type Noun = readonly [one: string, many: string];

export const SHAPE_NOUNS: Readonly<Record<Shape, readonly Noun[]>> = {
  circle: [
    ["circle", "circles"],
    ["disc", "discs"],
  ],
  square: [
    ["square", "squares"],
    ["box", "boxes"],
  ],
  triangle: [["triangle", "triangles"]],
  star: [["star", "stars"]],
  plus: [
    ["plus", "pluses"],
    ["cross", "crosses"],
  ],
  bar: [
    ["bar", "bars"],
    ["rectangle", "rectangles"],
  ],
  heart: [["heart", "hearts"]],
  arrow: [["arrow", "arrows"]],
  pentagon: [["pentagon", "pentagons"]],
  semicircle: [
    ["semicircle", "semicircles"],
    ["dome", "domes"],
  ],
};

/** What stands for any shape. */
export const ANY_NOUNS: readonly Noun[] = [
  ["shape", "shapes"],
  ["object", "objects"],
];

/** What an object does. What follows those that two do together is the other. */
export const MOTION_PHRASES: Readonly<Record<Motion, readonly string[]>> = {
  still: ["stays still", "does not move", "rests"],
  left: ["moves left", "is moving to the left", "travels left", "goes left"],
  right: ["moves right", "is moving to the right", "travels right", "goes right"],
  up: ["moves up", "is moving upwards", "rises", "goes up"],
  down: ["moves down", "is moving downwards", "sinks", "goes down"],
  bounce: ["bounces", "is bouncing", "moves to and fro"],
  orbit: ["orbits", "is circling", "goes around in a circle"],
  spin: ["spins", "is spinning", "rotates"],
  blink: ["blinks", "is blinking", "flashes"],
  grow: ["grows", "is growing", "gets bigger"],
  shrink: ["shrinks", "is shrinking", "gets smaller"],
  meet: ["meets", "comes together with", "is meeting"],
  part: ["parts from", "moves away from", "is leaving"],
};

/** Ways to tell a relation of a first to a second, and of the second to the first. */
export const RELATION_PHRASES: Readonly<
  Record<Relation, { ahead: readonly string[]; back: readonly string[] }>
> = {
  "left of": {
    ahead: ["is left of", "is to the left of"],
    back: ["is right of", "is to the right of"],
  },
  above: { ahead: ["is above", "is higher than"], back: ["is below", "is lower than"] },
  "in front of": {
    ahead: ["is in front of", "partly hides"],
    back: ["is behind", "is partly hidden by"],
  },
};

export const NUMBERS = [
  "no",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
  "thirteen",
  "fourteen",
  "fifteen",
  "sixteen",
  "seventeen",
] as const;
