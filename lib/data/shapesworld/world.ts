import { wholeNumber } from "./checks.js";
import { ShapesClip } from "./clip.js";
import type { ShapesWorldOptions } from "./options.js";
import { COUNTED, type Settings, settingsOf } from "./settings.js";

/** Which clips {@link ShapesWorld.clips} gives. */
export interface ClipsOptions {
  /** The index of the first. Default 0. */
  start?: number | undefined;
  /** From one index to the next, e.g. the number of ranks. Default 1. */
  step?: number | undefined;
  /** How many. Default: without end. */
  count?: number | undefined;
}

/**
 * Shapes World: short clips of coloured shapes that move, without end, with everything that is
 * known of them: captions, boxes, masks, tracks, actions, relations, counts, questions.
 *
 * A clip is a function of the seed, its index and the other options: the same in any order, in any
 * process and on any platform. How many captions, questions or keyframes it has changes nothing
 * else of it.
 *
 * @throws `BAD_INPUT` for options that are unknown, out of bounds, or leave nothing to draw
 *
 * @example
 * ```ts
 * const world = new ShapesWorld({ seed: 1, size: [224, 224] });
 * const clip = world.clip(7);
 * clip.captions[0]?.text; // "a large red filled star moves left, then spins"
 * for (const frame of clip) show(frame);
 * ```
 */
export class ShapesWorld implements Iterable<ShapesClip> {
  readonly #settings: Settings;

  constructor(options: ShapesWorldOptions = {}) {
    this.#settings = settingsOf(options);
  }

  /**
   * The clip at an index, 0 to 2^53 - 1.
   *
   * @throws `BAD_INPUT` for what is no index
   */
  clip(index: number): ShapesClip {
    return new ShapesClip(this.#settings, wholeNumber("index", index, COUNTED));
  }

  /**
   * Clips one after the other.
   *
   * @throws `BAD_INPUT` for numbers that are none
   */
  clips(options: ClipsOptions = {}): Generator<ShapesClip> {
    const start = wholeNumber("start", options.start ?? 0, COUNTED);
    const step = wholeNumber("step", options.step ?? 1, [1, COUNTED[1]]);
    const count =
      options.count === undefined ? Infinity : wholeNumber("count", options.count, COUNTED);
    return this.#run(start, step, count);
  }

  /** All clips from the first on, without end. */
  [Symbol.iterator](): Generator<ShapesClip> {
    return this.clips();
  }

  *#run(start: number, step: number, count: number): Generator<ShapesClip> {
    for (let given = 0, index = start; given < count; given += 1, index += step) {
      yield this.clip(index);
    }
  }
}
