/** Shapes World as a data set. */

import type { RawImage } from "../media/image.js";
import type { Dataset, Sample } from "./dataset.js";
import { wholeNumber } from "./shapesworld/checks.js";
import type { ShapesClip } from "./shapesworld/clip.js";
import type { ShapesWorldOptions } from "./shapesworld/options.js";
import { COLORS, type Combination, type Motion, SHAPES } from "./shapesworld/vocabulary.js";
import { COLOR_WORDS, MOTION_PHRASES, SHAPE_NOUNS } from "./shapesworld/words.js";
import { ShapesWorld } from "./shapesworld/world.js";

/** Clips of {@link ShapesWorld}, with the shapes and colours in them as labels. */
export interface ShapesSource {
  kind: "shapesworld";
  options?: ShapesWorldOptions | undefined;
  /** The index of the first clip. Default 0. */
  start?: number | undefined;
  /** How many there are. Default: without end. */
  samples?: number | undefined;
  /**
   * Whether samples have captions, which take time (default true); `plain`: one alone, of the first
   * object's colour, shape and first motion, "a red square moves left".
   */
  captions?: boolean | "plain" | undefined;
}

const LABELS: readonly string[] = [...SHAPES, ...COLORS];
/** Half of all safe integers, so that sums of two stay safe. */
const MOST = 2 ** 52;

/** Clips by index; what is drawn of them is drawn when it is asked for. */
export class ShapesDataset implements Dataset {
  readonly length: number;
  readonly labels = LABELS;
  readonly #world: ShapesWorld;
  readonly #start: number;
  readonly #captions: boolean | "plain";

  constructor({ options = {}, start = 0, samples, captions = true }: ShapesSource) {
    this.#world = new ShapesWorld(options);
    this.#start = wholeNumber("start", start, [0, MOST]);
    this.#captions = captions;
    this.length =
      samples === undefined ? Number.POSITIVE_INFINITY : wholeNumber("samples", samples, [1, MOST]);
  }

  sample(index: number): Sample {
    const clip = this.#world.clip(this.#start + index);
    const images: RawImage[] = [...clip];
    const seen = clip.objects.filter(({ boxes }) => boxes.some((box) => box !== null));
    const labels = seen.flatMap(({ shape, color }) => [shape, color].map(labelOf));
    // Boxes of the first frame: those of a clip move.
    const framed = seen.filter(({ boxes }) => boxes[0]);
    return {
      name: `clip ${clip.index} of seed ${clip.seed}`,
      images,
      labels: [...new Set(labels)].sort((a, b) => a - b),
      boxes: framed.map(({ boxes }) => boxes[0]!),
      boxLabels: framed.map(({ shape }) => labelOf(shape)),
      ...(this.#captions === "plain" && plainCaptions(clip)),
      ...(this.#captions === true && { captions: clip.captions.map(({ text }) => text) }),
    };
  }
}

/** What the first object of a clip does, and what each frame shows of it. */
function plainCaptions({ objects: [object] }: ShapesClip) {
  if (!object) return { captions: [], frameCaptions: [] };
  const { color, shape, actions } = object;
  const motion = actions[0]?.name ?? "still";
  return {
    captions: [plainCaption({ color, shape, motion })],
    frameCaptions: [plainCaption({ color, shape })],
  };
}

/** "a red square moves left", or "a red square" of no motion. */
export function plainCaption({
  color,
  shape,
  motion,
}: Pick<Combination, "color" | "shape"> & { motion?: Motion | undefined }): string {
  const [word] = COLOR_WORDS[color];
  const thing = `${/^[aeiou]/.test(word!) ? "an" : "a"} ${word} ${SHAPE_NOUNS[shape][0]![0]}`;
  return motion === undefined ? thing : `${thing} ${MOTION_PHRASES[motion][0]}`;
}

function labelOf(name: string): number {
  return LABELS.indexOf(name);
}
