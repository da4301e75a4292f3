/** In which order a data set is gone through, and what is random of a sample. */
import { philox, type Words } from "./shapesworld/philox.js";
import { Random } from "./shapesworld/random.js";

const WORD = 2 ** 32;
const ROUNDS = 6;
/** Of smaller halves there are too few different rounds to mix with. */
const LEAST_HALF = 16;
/** Sets the words that permute apart from all {@link Random} ones, whose second word is small. */
const PERMUTING = 0xffffffff;
/** The stream of epoch 0's transforms. */
const TRANSFORMING = 2 ** 31;

/** Epochs that there are numbers for. */
export const MOST_EPOCHS = 2 ** 31 - 2;

/** Samples that can be permuted. */
export const MOST_SAMPLES = 2 ** 52;

/** The random numbers of a sample's transforms in an epoch, the same in any thread. */
export function transformRandom(seed: number, epoch: number, index: number): Random {
  return new Random(seed, index, TRANSFORMING + epoch);
}

/**
 * A random order of 0 to `count - 1` that takes no memory: a Feistel network (Luby and Rackoff,
 * "How to construct pseudorandom permutations", SIAM J. Comput. 17(2), 1988) of Philox rounds on
 * the next power of four, walked along until it is within bounds (Black and Rogaway, "Ciphers
 * with arbitrary finite domains", CT-RSA 2002).
 */
export class Permutation {
  readonly #half: number;
  readonly #key: readonly [number, number];

  constructor(
    readonly count: number,
    seed: number,
    readonly epoch: number,
  ) {
    let half = LEAST_HALF;
    while (half * half < count) half *= 2;
    this.#half = half;
    this.#key = [seed % WORD, Math.floor(seed / WORD)];
  }

  /** Which comes at a place. */
  at(place: number): number {
    let value = place;
    do value = this.#mixed(value);
    while (value >= this.count);
    return value;
  }

  #mixed(value: number): number {
    let [left, right] = [Math.floor(value / this.#half), value % this.#half];
    for (let round = 0; round < ROUNDS; round += 1) {
      const words: Words = [right, PERMUTING, this.epoch, round];
      philox(words, this.#key);
      // Of two powers of two, so that the remainder is even.
      const mixed = (left ^ words[0]) >>> 0;
      [left, right] = [right, mixed % this.#half];
    }
    return left * this.#half + right;
  }
}
