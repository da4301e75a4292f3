/** Options of Shapes World, checked and complete. */
import {
  type Bounds,
  entriesOf,
  oneOf,
  range,
  realNumber,
  someOf,
  span,
  wholeNumber,
} from "./checks.js";
import { Combinations } from "./combinations.js";
import type { ShapesWorldOptions } from "./options.js";
import { type SizeDraw, sizeDraw } from "./sizes.js";
import { BACKGROUNDS, type Background } from "./vocabulary.js";

export const TEXTURES = ["none", "matching", "conflict"] as const;
export const OCCLUSIONS = ["none", "some", "heavy"] as const;
export type Occlusion = (typeof OCCLUSIONS)[number];

export interface Settings {
  readonly seed: number;
  readonly size: SizeDraw;
  readonly frames: Bounds;
  readonly fps: number;
  readonly stride: number;
  readonly objects: Bounds;
  readonly actionSeconds: Bounds;
  readonly combinations: Combinations;
  readonly backgrounds: readonly Background[];
  readonly texture: (typeof TEXTURES)[number];
  readonly occlusion: Occlusion;
  readonly spread: number;
  readonly grain: number;
  readonly captions: number;
  readonly captionNoise: number;
  readonly questions: number;
  readonly keyframeEvery: number;
}

/** A whole number that a double holds exactly, as seeds and indices have to be. */
export const COUNTED: Bounds = [0, Number.MAX_SAFE_INTEGER];

const FRAMES: Bounds = [1, 10_000];
const SECONDS: Bounds = [0.01, 10_000];

const DEFAULTS = {
  seed: 0,
  size: [64, 64],
  frames: 16,
  fps: 8,
  stride: 1,
  objects: [1, 4],
  actionSeconds: [1, 2],
  vocabulary: {},
  weights: {},
  backgrounds: BACKGROUNDS,
  heldOut: [],
  split: "train",
  texture: "none",
  occlusion: "some",
  spread: 1,
  grain: 0,
  captions: 4,
  captionNoise: 0,
  questions: 6,
  keyframeEvery: 1,
} as const satisfies Required<ShapesWorldOptions>;

/** @throws `BAD_INPUT` for unknown options, values out of bounds, and worlds that have no clip. */
export function settingsOf(options: ShapesWorldOptions): Settings {
  const names = Object.keys(DEFAULTS) as (keyof ShapesWorldOptions)[];
  const given = Object.fromEntries(entriesOf("the options", options, names));
  const all = { ...DEFAULTS, ...given } as Required<ShapesWorldOptions> & typeof DEFAULTS;
  const frames = span("frames", all.frames, FRAMES);
  const stride = wholeNumber("stride", all.stride, [1, 1000]);
  const objects = span("objects", all.objects, [1, 16]);
  const texture = oneOf("texture", all.texture, TEXTURES);
  return {
    seed: wholeNumber("seed", all.seed, COUNTED),
    size: sizeDraw(all.size),
    frames,
    fps: realNumber("fps", all.fps, [0.01, 1000]),
    stride,
    objects,
    actionSeconds: range("actionSeconds", all.actionSeconds, SECONDS),
    combinations: new Combinations({
      vocabulary: all.vocabulary,
      weights: all.weights,
      heldOut: all.heldOut,
      split: all.split,
      filledOnly: texture !== "none",
      leastFrames: frames[0] === 1 ? 1 : frames[0] * stride,
      pairs: objects[0] > 1,
    }),
    backgrounds: someOf("backgrounds", all.backgrounds, BACKGROUNDS),
    texture,
    occlusion: oneOf("occlusion", all.occlusion, OCCLUSIONS),
    spread: realNumber("spread", all.spread, [0, 1]),
    grain: wholeNumber("grain", all.grain, [0, 64]),
    captions: wholeNumber("captions", all.captions, [1, 64]),
    captionNoise: realNumber("captionNoise", all.captionNoise, [0, 1]),
    questions: wholeNumber("questions", all.questions, [0, 64]),
    keyframeEvery: wholeNumber("keyframeEvery", all.keyframeEvery, FRAMES),
  };
}
