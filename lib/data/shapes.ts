/** Shapes World as a data set. */

import type { RawImage } from "../media/image.js";
import type { Dataset, Sample } from "./dataset.js";
import { wholeNumber } from "./shapesworld/checks.js";
import type { ShapesWorldOptions } from "./shapesworld/options.js";
import { COLORS, SHAPES } from "./shapesworld/vocabulary.js";
import { ShapesWorld } from "./shapesworld/world.js";

/** Clips of {@link ShapesWorld}, with the shapes and colours in them as labels. */
export interface ShapesSource {
  kind: "shapesworld";
  options?: ShapesWorldOptions | undefined;
  /** The index of the first clip. Default 0. */
  start?: number | undefined;
  /** How many there are. Default: without end. */
  samples?: number | undefined;
  /** Whether samples have captions, which take time. Default true. */
  captions?: boolean | undefined;
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
  readonly #captions: boolean;

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
      ...(this.#captions && { captions: clip.captions.map(({ text }) => text) }),
    };
  }
}

function labelOf(name: string): number {
  return LABELS.indexOf(name);
}
